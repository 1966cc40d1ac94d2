"""Proves projections: builds them beside the live ones, and compares the two, each lane at one moment."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, IsolationLevel

from projections import generations
from projections.errors import ASIDE, ProjectionNotBuilt
from projections.generations import Generation, named
from projections.log import Log
from projections.projection import Projection
from projections.rebuilding.compare import Compared, compare, together
from projections.rebuilding.filling import Filler, catch_up_lane, positions
from projections.rebuilding.guard import guarded
from projections.rebuilding.loaders import Connect
from projections.rebuilding.loading import Build, LoadLimits
from projections.rebuilding.progress import Meter, Progress

CLOSER: Final = 3
"""How often the new build comes closer to the live one before the snapshot, which does the last of it."""

COPY_PARKED: Final = """
    INSERT INTO parked (shard, projection, generation, conversation_id, position, error, parked_at)
    SELECT l.shard, p.projection, %(number)s, p.conversation_id, p.position, p.error, p.parked_at
    FROM lanes AS l
    JOIN parked AS p ON p.shard = l.shard
    WHERE l.shard = ANY(%(shards)s::smallint[]) AND p.shard = ANY(%(shards)s::smallint[])
      AND p.projection = %(projection)s AND p.generation = %(live)s
"""

PARKED: Final = """
    SELECT shard, conversation_id, position, error FROM parked
    WHERE shard = ANY(%(shards)s::smallint[]) AND projection = %(projection)s AND generation = %(number)s
"""


class CheckResult(Struct, frozen=True):
    projection: str
    tables: list[Compared]
    parked: list[tuple[int, UUID]]
    """Conversations that the live one has not taken whole; they were left out."""
    uncomparable: list[str]
    """Tables whose rows do not say of which conversation they are, where what is parked changed meanwhile."""

    @property
    def equal(self) -> bool:
        return not any(table.shards for table in self.tables)


class Check:
    """Appends go on meanwhile: each lane is compared in one snapshot, up to where the live build is in it.

    Every row is of one shard, so a lane says nothing of another; and several servers have no common snapshot.
    """

    def __init__(
        self,
        connect: Connect,
        log: Log,
        projections: Iterable[Projection],
        report: Callable[[Progress], None] = lambda progress: None,
        *,
        processes: int = 1,
        limits: LoadLimits | None = None,
    ) -> None:
        self._connect = connect
        self._log = log
        self._projections = tuple(projections)
        self._meter = Meter(report)
        self._filler = Filler(connect, log, self._meter, processes, limits or LoadLimits())

    def run(self) -> list[CheckResult]:
        with self._connect() as connection:
            connection.autocommit = True
            with guarded(connection, self._projections):
                for projection in self._projections:
                    generations.drop_retired(connection, projection)
                pairs = [self._begin(connection, projection) for projection in self._projections]
                try:
                    self._filler.fill(connection, [self._to_live(connection, *pair) for pair in pairs])
                    for _ in range(CLOSER):
                        self._filler.catch_up(
                            connection, [self._to_live(connection, *pair) for pair in pairs]
                        )
                    self._meter.begin("comparing")
                    return self._compare(connection, pairs)
                finally:
                    if not connection.closed:
                        for _, build in pairs:
                            generations.drop(connection, build.generation)

    def _begin(self, connection: Connection[Any], projection: Projection) -> tuple[Generation, Build]:
        """Retired from the start: it is never to be live, and if this is killed the next replay drops it."""
        live = generations.live(connection, projection)
        if live is None:
            raise ProjectionNotBuilt(projection=projection.name, version=projection.version)
        built = generations.create(connection, projection, self._log, "retired")
        for lane in self._log.lanes(connection):
            connection.execute(COPY_PARKED, named(built) | {"live": live.number, "shards": lane})
        return live, Build(projection, built)

    def _to_live(self, connection: Connection[Any], live: Generation, build: Build) -> Build:
        until = dict[int, int]()
        for lane in self._log.lanes(connection):
            until |= self._reached(connection, live, lane)
        return Build(build.projection, build.generation, until)

    def _reached(self, connection: Connection[Any], live: Generation, lane: Sequence[int]) -> dict[int, int]:
        """Only as far as the live one has come: NULL is the end of the log."""
        heads = self._log.heads_of(connection, lane)
        reached = positions(connection, live, lane)
        return {shard: heads[shard] if position is None else position for shard, position in reached.items()}

    def _compare(
        self, connection: Connection[Any], pairs: Sequence[tuple[Generation, Build]]
    ) -> list[CheckResult]:
        lanes = self._log.lanes(connection)
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            of_lanes = [self._compare_lane(connection, pairs, lane) for lane in lanes]
        finally:
            connection.isolation_level = None
        return [whole(results) for results in zip(*of_lanes, strict=True)]

    def _compare_lane(
        self, connection: Connection[Any], pairs: Sequence[tuple[Generation, Build]], lane: Sequence[int]
    ) -> list[CheckResult]:
        with connection.transaction():
            return [self._prove(connection, *pair, lane) for pair in pairs]

    def _prove(
        self, connection: Connection[Any], live: Generation, build: Build, lane: Sequence[int]
    ) -> CheckResult:
        built, tables = build.generation, build.projection.tables
        until = self._reached(connection, live, lane)
        catch_up_lane(connection, self._log, Build(build.projection, built, until), lane)
        skipped, ours = parked_of(connection, live, lane), parked_of(connection, built, lane)
        changed = [key for key in {*skipped, *ours} if is_moving(skipped.get(key), ours.get(key))]
        comparable = [table for table in tables if not changed or "conversation_id" in table.columns]
        return CheckResult(
            build.projection.name,
            [compare(connection, table, live, built, lane, changed) for table in comparable],
            sorted(skipped),
            [table.name for table in tables if table not in comparable],
        )


def whole(lanes: Sequence[CheckResult]) -> CheckResult:
    """One projection, of which each lane was compared by itself."""
    tables: dict[str, list[Compared]] = {}
    for of_lane in lanes:
        for compared in of_lane.tables:
            tables.setdefault(compared.table, []).append(compared)
    return CheckResult(
        lanes[0].projection,
        [together(of_table) for of_table in tables.values()],
        sorted(key for of_lane in lanes for key in of_lane.parked),
        sorted({name for of_lane in lanes for name in of_lane.uncomparable}),
    )


Stopped = tuple[int, str]
"""At which position, and why."""


def parked_of(
    connection: Connection[Any], generation: Generation, lane: Sequence[int]
) -> dict[tuple[int, UUID], Stopped]:
    rows = connection.execute(PARKED, named(generation) | {"shards": list(lane)}).fetchall()
    return {(shard, conversation_id): (position, why) for shard, conversation_id, position, why in rows}


def is_moving(live: Stopped | None, built: Stopped | None) -> bool:
    """Whether it was parked or taken meanwhile, or its rows are just being brought back."""
    return live != built or (live is not None and live[1] == ASIDE)
