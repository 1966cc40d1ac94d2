"""Events on their way into the log, and how many of them go there in one append."""

from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

from msgspec import Struct

from service.store.append import CommandKey, Stored

RUN_EVENTS: Final = 1_000
RUN_BYTES: Final = 1_000_000
CHUNK_EVENTS: Final = 2_000
CHUNK_BYTES: Final = 4_000_000


class Named(Struct, frozen=True):
    """The command that an event is the first of, and how many events it had."""

    command: CommandKey
    size: int


class Piece(Struct, frozen=True):
    """One event, its place in its conversation, and its envelope."""

    conversation_id: UUID
    version: int
    stored: Stored
    user_id: str | None
    actor: str | None = None
    request_id: str | None = None
    named: Named | None = None
    group: str | UUID | None = None
    """Pieces of one conversation are of one group, and those of one group follow each other."""
    where: str = ""

    @property
    def what(self) -> str:
        return f"conversation {self.conversation_id}"


Run = list[Piece]
"""What one append takes: of one conversation, told by the same person, one after the other."""


def runs(pieces: Iterable[Piece]) -> Iterator[Run]:
    run: Run = []
    size = 0
    for piece in pieces:
        if run and not goes_on(run, size, piece):
            yield run
            run, size = [], 0
        run.append(piece)
        size += piece.stored.size
    if run:
        yield run


def goes_on(run: Run, size: int, piece: Piece) -> bool:
    first, last = run[0], run[-1]
    if (
        piece.conversation_id != last.conversation_id
        or piece.version != last.version + 1
        or piece.named is not None
        or (piece.user_id, piece.actor, piece.request_id) != (last.user_id, last.actor, last.request_id)
    ):
        return False
    if first.named is not None:
        return len(run) < first.named.size
    return len(run) < RUN_EVENTS and size + piece.stored.size <= RUN_BYTES


def chunks(of: Iterable[Run]) -> Iterator[list[Run]]:
    """As much as is looked up at once."""
    chunk: list[Run] = []
    events = size = 0
    for run in of:
        chunk.append(run)
        events += len(run)
        size += sum(piece.stored.size for piece in run)
        if events >= CHUNK_EVENTS or size >= CHUNK_BYTES:
            yield chunk
            chunk, events, size = [], 0, 0
    if chunk:
        yield chunk
