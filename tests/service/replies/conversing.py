"""Conversations with a responder that does as it is told, in one process or in several on one database."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

from domain.events import Event
from projections import history
from projections.history import HistoryMessage, Said
from service.commands import Terms
from service.hansard import Hansard, running
from service.replies.asked import asked
from service.replies.reply import Reply
from service.responder import Used
from service.settings.settings import Settings
from service.store.append import CommandKey
from service.store.log import conversation_after
from service.store.repository import Caller
from tests.conftest import SHARDS

ANN = Caller("ann", "ann", "request-1")
LONGEST_WAIT = 30.0
Step = str | Used | asyncio.Event | Exception


class Scripted:
    """An event in a script is waited for; an exception is raised."""

    name = "scripted"

    def __init__(self) -> None:
        self.heard: list[list[Said]] = []
        self.asked = asyncio.Event()
        self._scripts: deque[Sequence[Step]] = deque()

    def answers(self, *steps: Step) -> None:
        self._scripts.append(steps)

    async def reply(self, prompt: str, said: Sequence[Said]) -> AsyncIterator[str | Used]:
        self.heard.append(list(said))
        self.asked.set()
        for step in self._scripts.popleft() if self._scripts else ("Certainly.",):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step
        await asyncio.sleep(0)

    async def close(self) -> None:
        pass

    def lines(self, request: int = -1) -> list[tuple[str, str]]:
        return [(each.role, each.content) for each in self.heard[request]]


class Conversing:
    """One process, and its responder."""

    def __init__(self, hansard: Hansard, responder: Scripted) -> None:
        self.hansard = hansard
        self.responder = responder

    async def ask(self, message: str, conversation_id: UUID | None = None, **more: Any) -> Reply:
        caller, terms = more.pop("caller", ANN), Terms(command=more.pop("command", None))
        wish = asked(caller, message, conversation_id=conversation_id, terms=terms, **more)
        async with asyncio.timeout(LONGEST_WAIT):
            return await self.hansard.replies.ask(wish)

    async def said(self, message: str, conversation_id: UUID | None = None, **more: Any) -> HistoryMessage:
        """Asks, and waits for the reply."""
        return await outcome(await self.ask(message, conversation_id, **more))

    async def find(self, reply: Reply, reply_id: str | None = None) -> Reply:
        found = await self.hansard.replies.find(reply.shard, reply.conversation_id, reply_id or reply.id)
        assert found is not None
        return found

    async def messages(self, conversation_id: UUID, user_id: str = "ann") -> list[tuple[str, str, str]]:
        view, shard = self.hansard.views["history"], self.hansard.store.shard_of(user_id)
        rows = await history.page(view, shard, conversation_id, 100)
        return [(row.role, history.decode_text(row.content), row.status) for row in rows]

    async def events(self, conversation_id: UUID, user_id: str = "ann") -> list[Event]:
        async with self.hansard.pool.connection() as connection:
            shard = self.hansard.store.shard_of(user_id)
            found = await conversation_after(connection, shard, conversation_id, 0, 100)
        return [recorded.event for recorded in found]

    async def execute(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.hansard.pool.connection() as connection:
            cursor = await connection.execute(statement.encode())
            return await cursor.fetchall() if cursor.description else []

    async def drafts(self) -> int:
        (row,) = await self.execute("SELECT count(*) FROM drafts")
        return int(row[0])


@asynccontextmanager
async def conversing(dsn: str, **settings: Any) -> AsyncIterator[Conversing]:
    async with processes(dsn, 1, **settings) as (one,):
        yield one


@asynccontextmanager
async def processes(dsn: str, number: int = 2, **settings: Any) -> AsyncIterator[list[Conversing]]:
    given = Settings(dsn=dsn, shards=SHARDS, **({"grace": 0} | settings))
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(number):
            responder = Scripted()
            hansard = await stack.enter_async_context(running(given, dsn, responder))
            made.append(Conversing(hansard, responder))
        yield made


async def outcome(reply: Reply) -> HistoryMessage:
    async with asyncio.timeout(LONGEST_WAIT):
        return await reply.outcome()


async def heard(reply: Reply, offset: int = 0) -> str:
    async with asyncio.timeout(LONGEST_WAIT):
        return "".join([piece async for piece in reply.pieces(offset)])


async def heard_until(reply: Reply, text: str) -> None:
    """Waits until so much of the reply is there."""
    so_far = ""
    async with asyncio.timeout(LONGEST_WAIT):
        async for piece in reply.pieces():
            so_far += piece
            if so_far.startswith(text):
                return
    raise AssertionError(f"it ended with {so_far!r}")


def command(name: str, body: str = "") -> CommandKey:
    return CommandKey(UUID(bytes=name.encode().ljust(16, b"-")[:16]), body.encode() or b"body")
