"""Proves projections: builds them beside the live ones, and compares the two at one moment of the log."""

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
from projections.rebuilding.compare import Compared, compare
from projections.rebuilding.filling import CHECKPOINTS, Filler, catch_up
from projections.rebuilding.guard import guarded
from projections.rebuilding.loaders import Connect
from projections.rebuilding.loading import Build, LoadLimits
from projections.rebuilding.progress import Meter, Progress

CLOSER: Final = 3
"""How often the new build comes closer to the live one before the snapshot, which does the last of it."""

COPY_PARKED: Final = """
    INSERT INTO parked (shard, projection, generation, conversation_id, position, error, parked_at)
    SELECT shard, projection, %(number)s, conversation_id, position, error, parked_at
    FROM parked WHERE projection = %(projection)s AND generation = %(live)s
"""

PARKED: Final = """
    SELECT shard, conversation_id, position, error FROM parked
    WHERE projection = %(projection)s AND generation = %(number)s
"""


class CheckResult(Struct, frozen=True):
    projection: str
    tables: list[Compared]
    parked: list[tuple[int, UUID]]
    """Conversations that the live one has not taken whole; they were left out."""
    uncomparable: list[str]
    """Tables whose rows do not tell of which conversation they are, when what is parked changed meanwhile."""

    @property
    def equal(self) -> bool:
        return not any(table.shards for table in self.tables)


class Check:
    """Appends go on meanwhile: the comparison is made in one snapshot, up to where the live one is in it."""

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
        connection.execute(COPY_PARKED, named(built) | {"live": live.number})
        return live, Build(projection, built)

    def _to_live(self, connection: Connection[Any], live: Generation, build: Build) -> Build:
        """Only as far as the live one has come: NULL is the end of the log."""
        heads = self._log.heads(connection)
        positions = dict(connection.execute(CHECKPOINTS, named(live)).fetchall())
        until = {
            shard: heads[shard] if position is None else position for shard, position in positions.items()
        }
        return Build(build.projection, build.generation, until)

    def _compare(
        self, connection: Connection[Any], pairs: Sequence[tuple[Generation, Build]]
    ) -> list[CheckResult]:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with connection.transaction():
                return [self._prove(connection, *pair) for pair in pairs]
        finally:
            connection.isolation_level = None

    def _prove(self, connection: Connection[Any], live: Generation, build: Build) -> CheckResult:
        build = self._to_live(connection, live, build)
        catch_up(connection, self._log, build, lambda events: None)
        skipped, ours = parked_of(connection, live), parked_of(connection, build.generation)
        changed = [key for key in {*skipped, *ours} if is_moving(skipped.get(key), ours.get(key))]
        tables = [t for t in build.projection.tables if not changed or "conversation_id" in t.columns]
        return CheckResult(
            build.projection.name,
            [compare(connection, table, live, build.generation, changed) for table in tables],
            sorted(skipped),
            [table.name for table in build.projection.tables if table not in tables],
        )


Stopped = tuple[int, str]
"""At which position, and why."""


def parked_of(connection: Connection[Any], generation: Generation) -> dict[tuple[int, UUID], Stopped]:
    rows = connection.execute(PARKED, named(generation)).fetchall()
    return {(shard, conversation_id): (position, why) for shard, conversation_id, position, why in rows}


def is_moving(live: Stopped | None, built: Stopped | None) -> bool:
    """Whether it was parked or taken meanwhile, or its rows are just being brought back."""
    return live != built or (live is not None and live[1] == ASIDE)
