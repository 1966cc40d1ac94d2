"""A reply that this process produces: poured from the responder, stopped when somebody wants it, stored."""

import asyncio
import logging
from contextlib import aclosing
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg_pool import PoolTimeout

from domain.errors import Contended, Refusal
from projections.errors import ProjectionBehind
from projections.history import Said
from service.access.actors import A_RESPONDER
from service.replies.drafts import Draft, Drafts
from service.replies.ending import FAILED, TIMED_OUT, Ending, Endings, ReplyEnd, store_reply
from service.replies.errors import ReplyLost
from service.replies.reply import Reply
from service.responder import Responder, ResponderFailed, ResponderTimedOut, Used
from service.store.errors import OutcomeUnknown, StoreIsBusy, StoreIsClosed, StoreUnavailable
from service.store.repository import Caller, Repository

log = logging.getLogger("hansard.replies")

PASSING: Final = (
    StoreIsBusy,
    StoreUnavailable,
    OutcomeUnknown,
    Contended,
    ProjectionBehind,
    PoolTimeout,
    psycopg.OperationalError,
)
"""Storing a reply is tried again as long as it is one of these that keeps it from being stored."""
TRY_AGAIN: Final = 0.5
LETTING_GO: Final = 5.0
"""Seconds that a responder has to close what it holds."""


class Works(Struct, frozen=True):
    """What all replies of a process are made with."""

    repository: Repository
    drafts: Drafts
    endings: Endings
    responder: Responder
    prompt: str


class Running:
    def __init__(self, works: Works, draft: Draft, request_id: str | None) -> None:
        self.works = works
        self.draft = draft
        self.reply = Reply(draft.reply_id, draft.shard, draft.conversation_id, draft.in_reply_to)
        self.saved = 0
        """How many characters of it are in the draft."""
        self._caller = Caller(draft.user_id, f"{A_RESPONDER}{works.responder.name}", request_id)
        self._wanted: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def stop(self, why: str) -> None:
        """The first why counts. What came so far is stored as interrupted."""
        if not self._wanted.done():
            self._wanted.set_result(why)

    async def produce(self, said: list[Said]) -> None:
        ending = await self._until_stopped(said)
        self.reply.end(await self._stored(ending))

    async def _until_stopped(self, said: list[Said]) -> Ending:
        pouring = asyncio.create_task(self._poured(said))
        either: set[asyncio.Future[Any]] = {pouring, self._wanted}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not pouring.done():
            pouring.cancel()
            await asyncio.wait({pouring}, timeout=LETTING_GO)
        if pouring.done() and not pouring.cancelled():
            return pouring.result()
        return Ending(self._wanted.result())

    async def _poured(self, said: list[Said]) -> Ending:
        tokens: int | None = None
        try:
            async with aclosing(self.works.responder.reply(self.works.prompt, said)) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    if isinstance(piece, Used):
                        tokens = piece.tokens
                    else:
                        self._grow(piece)
        except ResponderTimedOut as late:
            return Ending(TIMED_OUT, late.facts["why"])
        except ResponderFailed as failed:
            return Ending(FAILED, failed.facts["why"])
        except Exception:
            log.exception("the responder failed in a way that nobody expected")
            return Ending(FAILED, "it met an error of its own")
        return Ending(tokens=tokens)

    def _grow(self, piece: str) -> None:
        limit = self.works.repository.limits.message_bytes
        room = limit - self.reply.bytes
        if len(piece) * 4 > room and len(raw := piece.encode(errors="replace")) > room:
            self.reply.grow(raw[:room].decode(errors="ignore"))
            raise ResponderFailed(why=f"its answer is longer than the {limit} bytes that a message may hold")
        self.reply.grow(piece)

    async def _stored(self, ending: Ending) -> ReplyEnd:
        while True:
            try:
                ended = await stored(self.works, self._caller, self.draft, self.reply.text, ending)
            except PASSING as away:
                log.warning("a reply cannot be stored yet: %s", type(away).__name__)
                await asyncio.sleep(TRY_AGAIN)
            except StoreIsClosed:
                return ReplyEnd(None, ReplyLost())  # its draft stays, and with it what came so far
            except Exception as failed:
                log.exception("a reply could not be stored")
                return ReplyEnd(None, failed)
            else:
                return ended


async def stored(works: Works, caller: Caller, draft: Draft, text: str, ending: Ending) -> ReplyEnd:
    """Once it is stored, the draft goes; then the conversation takes the next message."""
    try:
        await store_reply(works.repository, caller, draft, text, ending)
        ended = await works.endings.of(draft.shard, draft.conversation_id, draft.reply_id)
    except (*PASSING, StoreIsClosed):
        raise
    except Refusal as refused:
        ended = ReplyEnd(None, refused)
    await works.drafts.drop(draft)
    return ended or ReplyEnd(None, ReplyLost())
