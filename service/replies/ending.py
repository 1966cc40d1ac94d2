"""How replies end: what is stored of one, exactly once whoever stores it, and what is found of it later."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from domain.errors import ConversationIsErased, MessageNotFound
from domain.events import MessageAdded, ReplyFailed
from domain.recorded import Redacted
from projections import history
from projections.history import HistoryMessage
from projections.reading.view import Query, View
from service import commands
from service.replies.drafts import Draft
from service.replies.errors import ReplyLost, ReplyStopped
from service.responder import ResponderFailed, ResponderTimedOut
from service.store.append import CommandKey
from service.store.log import conversation_after, stored_command
from service.store.repository import Caller, Repository

STOPPED: Final = "stopped"
"""Somebody wanted it to stop, or sent another message instead."""
LOST: Final = "lost"
"""Its process stopped."""
FAILED: Final = "responder-failed"
TIMED_OUT: Final = "responder-timeout"

ANSWER: Final = Query(
    HistoryMessage,
    history.MESSAGES
    + history.OF_CONVERSATION
    + """
    AND position > %(after)s AND in_reply_to = %(question_id)s AND role = 'assistant'
ORDER BY position DESC LIMIT 1""",
    "position",
)
LATEST: Final = Query(
    HistoryMessage,
    history.MESSAGES
    + history.OF_CONVERSATION
    + """
    AND role = 'assistant' AND in_reply_to IS NOT NULL
ORDER BY position DESC LIMIT 1""",
    "position",
)


class Ending(Struct, frozen=True):
    """How a responder's work ended; without a why it is complete."""

    why: str | None = None
    failure: str | None = None
    """Of the responder, in words."""
    tokens: int | None = None


def command_of(reply_id: str) -> CommandKey:
    """The same for whoever ends the reply, however: so it ends once."""
    digest = sha256(b"reply " + reply_id.encode()).digest()
    return CommandKey(UUID(bytes=digest[:16], version=5), digest)


def events_of(draft: Draft, text: str, ending: Ending) -> Sequence[MessageAdded | ReplyFailed]:
    """A half reply is kept as an interrupted one. That a responder failed is said beside it."""
    failed = ReplyFailed(in_reply_to=draft.in_reply_to, reason=reason_of(ending))
    if ending.why is not None and not text:
        return (failed,)
    added = MessageAdded(
        message_id=draft.reply_id,
        role="assistant",
        content=text,
        is_fortune=draft.is_fortune,
        in_reply_to=draft.in_reply_to,
        status="complete" if ending.why is None else "interrupted",
        tokens=ending.tokens,
    )
    return (added,) if ending.failure is None else (added, failed)


def reason_of(ending: Ending) -> str:
    return f"{ending.why}: {ending.failure}" if ending.failure else str(ending.why)


async def store_reply(
    repository: Repository, caller: Caller, draft: Draft, text: str, ending: Ending
) -> None:
    wishes = events_of(draft, text, ending)
    await commands.store_reply(repository, caller, draft.conversation_id, wishes, command_of(draft.reply_id))


class ReplyEnd(Struct, frozen=True):
    """What became of a reply: its message, or why there is none, or why it is only a part."""

    message: HistoryMessage | None
    failure: Exception | None = None


class Endings:
    """Finds what became of replies."""

    def __init__(self, pool: AsyncConnectionPool[Any], view: View) -> None:
        self._pool = pool
        self._view = view

    async def of(self, shard: int, conversation_id: UUID, reply_id: str) -> ReplyEnd | None:
        """None if it has not ended, or never was."""
        async with self._pool.connection() as connection:
            stored = await stored_command(connection, shard, command_of(reply_id).id)
            if stored is None or stored.conversation_id != conversation_id:
                return None
            found = await conversation_after(
                connection, shard, conversation_id, stored.version - 1, stored.size
            )
        events = [recorded.event for recorded in found]
        if any(isinstance(event, Redacted) for event in events):
            return ReplyEnd(None, ConversationIsErased())
        failed = [failure_of(event.reason) for event in events if isinstance(event, ReplyFailed)]
        message = await self.message(shard, conversation_id, reply_id)
        if message is None and not failed:
            return ReplyEnd(None, MessageNotFound(message_id=reply_id))
        return ReplyEnd(message, failed[0] if failed else None)

    async def message(self, shard: int, conversation_id: UUID, message_id: str) -> HistoryMessage | None:
        return await history.message(self._view, shard, conversation_id, message_id)

    async def answer(self, shard: int, question: HistoryMessage) -> HistoryMessage | None:
        """Its latest reply."""
        given = {"after": question.position, "question_id": question.message_id}
        return await self._view.row(ANSWER, shard, question.conversation_id, **given)

    async def latest(self, shard: int, conversation_id: UUID) -> HistoryMessage | None:
        return await self._view.row(LATEST, shard, conversation_id)


def failure_of(reason: str) -> Exception:
    """The same from the log as for those who were there."""
    kind, _, why = reason.partition(": ")
    match kind:
        case "responder-failed":
            return ResponderFailed(why=why)
        case "responder-timeout":
            return ResponderTimedOut(why=why)
        case "stopped":
            return ReplyStopped()
        case _:
            return ReplyLost()
