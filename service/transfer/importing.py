"""Takes conversations into the log: each event once, in the order in which it comes, with its own time.

What is here already is compared, not stored again, so an import that was cut off is run again and goes on
where it was. Positions, salts and digests are made here, as for every other append.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.content import LIMITS, Limits
from domain.errors import CommandReused, NameIsTaken, Refusal, VersionConflict
from domain.events import ConversationErased, MessageAdded
from domain.recorded import Recorded, Redacted, Unreadable
from projections.projection import Projection
from service.store.append import Append, Appended, append_of, stored_event
from service.store.codec import encode, topic_of
from service.store.connections import Database
from service.store.store import Store
from service.store.tagging import tagged
from service.transfer.fitting import Fitting
from service.transfer.incoming import Incoming, Skipped
from service.transfer.piece import Piece, Run, chunks, runs
from service.transfer.report import TransferReport
from service.transfer.standing import ImportState, Place, TipHere, events_at, tips

IN_FLIGHT: Final = 4
"""Chunks that are sent and not yet acknowledged: while the database stores some, the next are made ready."""
ERASED: Final = topic_of(ConversationErased)

Count = Callable[[int], None]
Key = tuple[str | UUID | None, UUID]
"""A conversation, and the group that it comes in."""


class Destination(Struct, frozen=True):
    """Where an import goes to."""

    store: Store
    database: Database
    limits: Limits = LIMITS


@contextmanager
def destination(
    database: Database, projections: Sequence[Projection], limits: Limits = LIMITS
) -> Iterator[Destination]:
    """With a writer of its own, beside those of the running service."""
    store = Store(database, projections)
    store.start()
    try:
        yield Destination(store, database, limits)
    finally:
        store.close()


def uncounted(events: int) -> None:
    pass


def import_conversations(
    into: Destination,
    arriving: Iterable[Incoming | Skipped],
    count: Count = uncounted,
    report: TransferReport | None = None,
) -> TransferReport:
    """Each conversation whole or not at all; counts the events that it is done with."""
    report = report if report is not None else TransferReport()
    return import_pieces(into, pieces_of(arriving, report, into.limits), count, report)


def pieces_of(
    arriving: Iterable[Incoming | Skipped], report: TransferReport, limits: Limits
) -> Iterator[Piece]:
    for each in arriving:
        if isinstance(each, Skipped):
            report.skip(each)
            continue
        try:
            check(each, limits)
        except Refusal as refusal:
            report.skip(Skipped(each.where, f"conversation {each.conversation_id}", str(refusal)))
            continue
        for version, (recorded_at, event) in enumerate(each.events, start=1):
            yield Piece(
                each.conversation_id,
                version,
                stored_event(event, recorded_at),
                each.user_id,
                each.actor,
                group=each.conversation_id,
                where=each.where,
            )


def check(incoming: Incoming, limits: Limits) -> None:
    fitting = Fitting(incoming.conversation_id, incoming.user_id, limits)
    for version, (recorded_at, event) in enumerate(incoming.events, start=1):
        fitting.take(version, event, recorded_at, incoming.user_id)
    fitting.end()


def import_pieces(
    into: Destination, pieces: Iterable[Piece], count: Count, report: TransferReport
) -> TransferReport:
    """Pieces that were checked."""
    with into.database.connect("hansard import") as connection:
        importing = Importing(into.store, connection, report)
        for chunk in chunks(runs(pieces)):
            importing.take(chunk)
            count(sum(map(len, chunk)))
        importing.finish()
    return report


class SentAppend(Struct, frozen=True):
    append: Append
    standing: ImportState
    run: Run


class Importing:
    def __init__(self, store: Store, connection: Connection[Any], report: TransferReport) -> None:
        self._store = store
        self._connection = connection
        self._report = report
        self._group: str | UUID | None = None
        self._standing: dict[Key, ImportState] = {}
        """Of the conversations of this group, and of those that the chunk at hand brings."""
        self._under_way: deque[tuple[list[SentAppend], list[Future[Appended]]]] = deque()

    def take(self, chunk: list[Run]) -> None:
        self._look_up(chunk)
        here = self._events_here(chunk)
        sent: list[SentAppend] = []
        for run in chunk:
            if run[0].group != self._group:
                self._end_group()
                self._group = run[0].group
            standing = self._standing[key_of(run[0])]
            standing.read = run[-1].version
            for piece in run[: max(0, standing.here - run[0].version + 1)]:
                if not standing.stopped and not same(
                    piece, here.get((standing.shard, piece.conversation_id, piece.version))
                ):
                    self._stop(standing, piece, f"version {piece.version} is not what is here")
            new = [piece for piece in run if piece.version > standing.here]
            if new and not standing.stopped:
                sent.append(self._sent_for(standing, new))
        self._submit(sent)

    def finish(self) -> None:
        while self._under_way:
            self._settle(*self._under_way.popleft())
        self._end_group()

    def _look_up(self, chunk: list[Run]) -> None:
        """What is here of the conversations that begin in this chunk."""
        new = {key_of(run[0]): run[0] for run in chunk if key_of(run[0]) not in self._standing}
        places = {key: self._places(piece) for key, piece in new.items()}
        if not new:
            return
        found = tips(self._connection, {place for several in places.values() for place in several})
        for key, piece in new.items():
            tips_of = {place[0]: found[place] for place in places[key] if place in found}
            self._standing[key] = self._begin(piece, tips_of)

    def _places(self, piece: Piece) -> list[Place]:
        """Where it can be: with its user; as one that came here when it was erased already; or, if it is
        nobody's any more, where its user was."""
        id = piece.conversation_id
        if piece.user_id is None:
            return [(shard, id) for shard in range(self._store.shards)]
        return [(self._store.shard_of(piece.user_id), id), (self._store.shard_of(str(id)), id)]

    def _begin(self, piece: Piece, found: dict[int, TipHere]) -> ImportState:
        erased = {shard: tip for shard, tip in found.items() if tip.topic == ERASED}
        if piece.user_id is None:
            standing = ImportState(self._store.shard_of(str(piece.conversation_id)), where=piece.where)
            for shard, last in erased.items():
                standing = ImportState(shard, last.version, where=piece.where)
            if found and not erased:
                self._stop(standing, piece, "it was erased there, and is still here")
            return standing
        standing = ImportState(self._store.shard_of(piece.user_id), where=piece.where)
        tip = found.get(standing.shard)
        if erased:
            self._stop(standing, piece, "it was erased here")
        elif tip is not None and tip.user_id != piece.user_id:
            self._stop(standing, piece, "here it is another user's, or nobody's any more")
        elif tip is not None:
            standing.here = tip.version
        return standing

    def _events_here(self, chunk: list[Run]) -> dict[tuple[int, UUID, int], Recorded]:
        places = []
        for run in chunk:
            standing = self._standing[key_of(run[0])]
            if not standing.stopped:
                places += [
                    (standing.shard, piece.conversation_id, piece.version)
                    for piece in run
                    if piece.version <= standing.here
                ]
        if not places:
            return {}
        return {
            (each.shard, each.conversation_id, each.version): each
            for each in events_at(self._connection, places)
        }

    def _sent_for(self, standing: ImportState, run: Run) -> SentAppend:
        first = run[0]
        append = append_of(
            standing.shard,
            first.conversation_id,
            [tagged(piece.stored, self._store.find_tags) for piece in run],
            datetime.now(UTC),
            user_id=first.user_id,
            actor=first.actor,
            request_id=first.request_id,
            expected=first.version - 1,
            # Without the one before it, it is void: whatever came between has the same version perhaps.
            based_on=standing.last,
            command=first.named.command if first.named is not None else None,
        )
        standing.last = append
        standing.added = True
        return SentAppend(append, standing, run)

    def _submit(self, sent: list[SentAppend]) -> None:
        if not sent:
            return
        # Appends of one shard are answered in their order, so that only the last of each is waited for.
        answered: list[Future[Appended]] = []
        for last in {each.append.shard: each.append for each in sent}.values():
            last.waiting = Future()
            answered.append(last.waiting)
        for each in sent:
            self._store.submit(each.append)
        self._under_way.append((sent, answered))
        while len(self._under_way) > IN_FLIGHT:
            self._settle(*self._under_way.popleft())

    def _settle(self, sent: list[SentAppend], answered: list[Future[Appended]]) -> None:
        for answer in answered:
            answer.exception()
        for each in sent:
            standing, outcome = each.standing, each.append.outcome
            if standing.last is each.append:
                standing.last = None
            if isinstance(outcome, Appended) and not outcome.repeated:
                self._report.conversations += not standing.counted
                self._report.events += len(each.run)
                self._report.messages += sum(
                    isinstance(piece.stored.event, MessageAdded) for piece in each.run
                )
                standing.counted = True
            elif isinstance(outcome, VersionConflict):
                self._stop(standing, each.run[0], "it was changed here while it was imported")
            elif isinstance(outcome, NameIsTaken):
                self._stop(standing, each.run[0], str(outcome))
            elif isinstance(outcome, Appended | CommandReused):
                self._stop(standing, each.run[0], "its command was carried out here with another result")
            else:
                raise outcome

    def _end_group(self) -> None:
        for key in [key for key in self._standing if key[0] == self._group]:
            standing = self._standing.pop(key)
            if standing.stopped or standing.added or not standing.read:
                continue
            if standing.here > standing.read:
                what = f"it went on here: to version {standing.here}, from {standing.read}"
                self._report.skip(Skipped(standing.where, f"conversation {key[1]}", what))
            else:
                self._report.there_already += 1

    def _stop(self, standing: ImportState, piece: Piece, why: str) -> None:
        """Told once; what else comes of it is not taken."""
        if not standing.stopped:
            standing.stopped = True
            self._report.skip(Skipped(piece.where, piece.what, why))


def key_of(piece: Piece) -> Key:
    return piece.group, piece.conversation_id


def same(piece: Piece, here: Recorded | None) -> bool:
    """Whether what comes is what is here: the fact, its time and whose it is."""
    if here is None or here.recorded_at != piece.stored.recorded_at or here.user_id != piece.user_id:
        return False
    if isinstance(here.event, Redacted) or isinstance(piece.stored.event, Redacted):
        return here.event == piece.stored.event
    if isinstance(here.event, Unreadable):
        return False
    return encode(here.event) == (piece.stored.topic, piece.stored.state)
