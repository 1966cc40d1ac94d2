"""One reply as its listeners have it: the text so far, and what became of it."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final
from uuid import UUID

from domain.errors import Refusal
from projections.history import HistoryMessage
from service.replies.ending import ReplyEnd
from service.replies.errors import ReplyElsewhere, ReplyLost

HIGH: Final = range(0xD800, 0xDC00)


class Reply:
    """Grows until it has ended. Any number of listeners read it, each at its own pace and from any offset:
    what one of them has not read yet is kept here once for all of them, and nowhere else."""

    def __init__(self, reply_id: str, shard: int, conversation_id: UUID, question_id: str) -> None:
        self.id = reply_id
        self.shard = shard
        self.conversation_id = conversation_id
        self.question_id = question_id
        self.question: HistoryMessage | None = None
        """What it answers, where that was read already."""
        self.size = 0
        """In characters."""
        self.bytes = 0
        self._pieces: list[str] = []
        self._ends: list[int] = []
        self._half = ""
        self._changed = asyncio.Event()
        self._outcome: asyncio.Future[ReplyEnd] = asyncio.get_running_loop().create_future()
        self.left = False
        """This process is stopping and follows the reply no more; another one has it."""

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def ended(self) -> bool:
        return self._outcome.done()

    def grow(self, piece: str) -> None:
        """A character may come in two halves, as a pair of surrogates does; half of one alone is no text."""
        piece, self._half = self._half + piece, ""
        if piece and ord(piece[-1]) in HIGH:
            piece, self._half = piece[:-1], piece[-1]
        if piece and not piece.isascii():
            piece = piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if piece:
            self._pieces.append(piece)
            self.size += len(piece)
            self.bytes += len(piece.encode())
            self._ends.append(self.size)
            self._wake()

    def grow_to(self, text: str) -> None:
        """For text that was read somewhere else, where it was longer the last time or is now."""
        self.grow(text[self.size :])

    def since(self, offset: int) -> str:
        if offset >= self.size:
            return ""
        first = bisect_right(self._ends, offset)
        begins = self._ends[first - 1] if first else 0
        return "".join((self._pieces[first][offset - begins :], *self._pieces[first + 1 :]))

    def end(self, ended: ReplyEnd) -> None:
        if not self._outcome.done():
            self._outcome.set_result(ended)
            self._wake()

    def leave(self) -> None:
        """Its listeners go, and come back to another process."""
        self.left = True
        self.end(ReplyEnd(None, ReplyElsewhere()))

    async def ended_as(self) -> ReplyEnd:
        """However it ended."""
        return await asyncio.shield(self._outcome)

    async def outcome(self) -> HistoryMessage:
        """The stored reply; raises why there is none, or not the whole of one."""
        ended = await self.ended_as()
        if ended.failure is not None:
            if isinstance(ended.failure, Refusal):
                ended.failure.facts["session_id"] = str(self.conversation_id)
            raise ended.failure
        if ended.message is None:
            raise ReplyLost
        return ended.message

    async def pieces(self, offset: int = 0, patience: float | None = None) -> AsyncIterator[str]:
        """What comes after the offset, to the end; an empty one whenever nothing came for so long."""
        while True:
            changed = self._changed
            if piece := self.since(offset):
                offset += len(piece)
                yield piece
            elif self.ended or self.left:
                return
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await changed.wait()
                    continue
                yield ""

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
