"""Stores one batch in one transaction: lock and look, decide, write; or, in one round trip, on what is
remembered of earlier looks."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import psycopg

from domain.recorded import Recorded
from projections.following.parking import fold_or_raise
from projections.projection import Projection
from projections.rows.apply import Copy, Execute, Write, writes
from projections.rows.arrays import Array
from projections.rows.exchange import Failed, StatementExchange
from service.store.append import Append
from service.store.between import came_between
from service.store.decide import Decided
from service.store.insert import insertion
from service.store.look import InStep, Look, lock, lock_and_look
from service.store.names import naming
from service.store.remembered import AS_REMEMBERED, Remembered

log = logging.getLogger("hansard.writer")

COMMIT: Final = b"COMMIT"
ROLLBACK: Final = b"ROLLBACK"

MARK_BEHIND: Final = b"""
UPDATE checkpoints AS c SET position = given.position
FROM unnest(%b::smallint[], %b::bigint[], %b::text[], %b::integer[])
    AS given (shard, position, projection, generation)
WHERE c.shard = ANY(%b::smallint[]) AND c.shard = given.shard
    AND c.projection = given.projection AND c.generation = given.generation"""

PASSING: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.IntegrityError,
    psycopg.InternalError,  # among them a transaction that was ended because it stood still for too long
)
"""The connection is lost, or the database is stopping, full or busy: the same append may go through later."""

Known = Mapping[tuple[str, str], Projection]
"""The projections of this process that are written with an append, by name and version."""


class ProjectionRefused(Exception):
    """PostgreSQL would not take a projection's rows; the batch goes in again without that projection."""

    def __init__(self, refused: InStep) -> None:
        super().__init__(refused.projection)
        self.refused = refused


class Commit:
    """One attempt. It ends the transaction, unless the connection is of no more use."""

    def __init__(
        self, exchange: StatementExchange, lane: int, known: Known, remembered: Remembered, until: float
    ) -> None:
        self._exchange = exchange
        self._lane = lane
        self._known = known
        self._remembered = remembered
        self._until = until
        self.was_stale = False
        """What was remembered was refused: others had stored or changed something."""
        self._has_marked_behind = False

    def store_as_remembered(self, batch: Sequence[Append]) -> Decided | None:
        """None where the memory does not suffice, or holds no more; then nothing is stored."""
        look = self._remembered.look
        decided = Decided(look, batch)
        if decided.has_refused:
            return None
        written = list(self._writes(look, decided))
        try:
            lock(self._exchange, self._lane)
            self._exchange.send(AS_REMEMBERED, self._remembered.guard(batch))
            for write, of in written:
                self._send(write, of)
            self._commit(decided.placed)
        except Failed as failed:
            self._roll_back()
            self._remembered.distrust()
            self.was_stale = True
            if isinstance(failed.error, psycopg.OperationalError):
                raise  # the lock was not had in time, or PostgreSQL is stopping
            return None
        self._remembered.confirm(decided)
        self._remember_no_marks()
        return decided

    def store(self, batch: Sequence[Append], without: Collection[InStep] = ()) -> Decided:
        """Sets each append's outcome. Builds that refused the rows before are left out, and marked behind."""
        try:
            look = lock_and_look(self._exchange, self._lane, batch, self._until)
            decided = Decided(look, batch)
            if decided.displaced:
                between = came_between(self._exchange, batch, self._until)
                decided = Decided(look, batch, between)
            for write, of in self._writes(look, decided, without):
                self._send(write, of)
            self._commit(decided.placed)
        except Failed as failed:
            self._roll_back()
            if isinstance(failed.purpose, InStep) and not is_passing(failed.error):
                log.exception("projection %s refused rows and is behind now", failed.purpose.projection)
                raise ProjectionRefused(failed.purpose) from failed
            raise
        self._remembered.learn(look, decided)
        self._remember_no_marks()
        return decided

    def _remember_no_marks(self) -> None:
        if self._has_marked_behind:
            self._remembered.forget()

    def _commit(self, placed: Sequence[Append]) -> None:
        """From the moment in which this is sent, until it is answered, nobody knows whether it is stored."""
        for append in placed:
            append.doubts.append(tuple(part.placed for part in append.parts if part.placed))
        self._exchange.send(COMMIT)
        self._exchange.end_round()
        try:
            self._exchange.receive(self._until)
        except Failed:
            for append in placed:
                append.doubts.pop()
            raise

    def _roll_back(self) -> None:
        self._exchange.send(ROLLBACK)
        self._exchange.end_round()
        self._exchange.receive(self._until)

    def _send(self, write: Write, of: object) -> None:
        if isinstance(write, Copy):
            self._exchange.copy(write.statement, write.blocks(), self._until, of)
        else:
            self._exchange.send(write.statement, [column.data for column in write.columns], of)

    def _writes(
        self, look: Look, decided: Decided, without: Collection[InStep] = ()
    ) -> Iterator[tuple[Write, InStep | None]]:
        """The events, and what each build that is in step makes of them, or that it is behind now."""
        if not decided.rows:
            return
        yield insertion(decided.rows), None
        if decided.names:
            yield naming(decided.names), None
        by_shard: dict[int, list[Recorded]] = defaultdict(list)
        for recorded in decided.recorded:
            by_shard[recorded.shard].append(recorded)
        for build in look.in_step:
            shards = [shard for shard in by_shard if shard in build.shards]
            events = [recorded for shard in shards for recorded in by_shard[shard]]
            if not events:
                continue
            made = None if build in without else self._made_of(events, build, look)
            if made is not None:
                yield from ((write, build) for write in made)
            else:
                self._has_marked_behind = True
                yield marking_behind(build, {shard: decided.before[shard] for shard in shards}), None

    def _made_of(self, events: Sequence[Recorded], build: InStep, look: Look) -> list[Write] | None:
        """None where the projection cannot take them here: its follower sees to them."""
        projection = self._known.get((build.projection, build.version))
        if projection is None:
            return None
        parked = look.parked.get((build.projection, build.generation), {})
        try:
            return list(writes(fold_or_raise(projection, events, parked), build.generation))
        except Exception:
            log.exception("projection %s could not take an append and is behind now", build.projection)
            return None


def marking_behind(build: InStep, positions: Mapping[int, int]) -> Write:
    size, shards = len(positions), Array("smallint", list(positions))
    given = [
        shards,
        Array("bigint", list(positions.values())),
        Array("text", [build.projection] * size),
        Array("integer", [build.generation] * size),
        shards,
    ]
    return Execute(MARK_BEHIND, given)


def is_passing(error: psycopg.Error) -> bool:
    """An unanswered question of a projection's rows is not: they are refused for what they are."""
    return isinstance(error, PASSING) and not isinstance(error, psycopg.IntegrityError)
