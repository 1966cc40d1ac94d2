"""Brings new builds to the end of the log: copies, indexes, applies what waited for that, catches up."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Final

from psycopg import Connection, sql

from projections.following import parking
from projections.following.advance import follow_page
from projections.following.parking import carefully
from projections.generations import Generation, is_held, named
from projections.log import Log
from projections.rebuilding.loaders import Connect, load_shards
from projections.rebuilding.loading import Build, LoadLimits, deferred_events
from projections.rebuilding.progress import Meter
from projections.rows.tables import Table

PAGE_EVENTS: Final = 2_000
WORTH_LOADING: Final = 20_000
"""So many events go faster through a copy than through indexes, and are worth several processes."""
SMALL_REST: Final = 500
"""So many events are quickly applied while appends wait."""
ROUNDS: Final = 20
"""How often catching up is tried without appends waiting."""

REACHED: Final = """
    SELECT shard, position FROM checkpoints
    WHERE shard = ANY(%(shards)s::smallint[]) AND projection = %(projection)s AND generation = %(number)s
"""

INDEXES: Final = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass"

DONE: Final = """
    DELETE FROM deferred
    WHERE projection = %(projection)s AND generation = %(number)s AND shard = %(shard)s
      AND position <= %(position)s
"""


class Filler:
    """Brings builds from wherever they are to the end of the log, or to the positions that they stop at."""

    def __init__(self, connect: Connect, log: Log, meter: Meter, processes: int, limits: LoadLimits) -> None:
        self._connect = connect
        self._log = log
        self._meter = meter
        self._processes = processes
        self._limits = limits

    def fill(self, connection: Connection[Any], builds: Sequence[Build]) -> None:
        self._load(connection, [build for build in builds if not any(indexed(connection, build))])
        self._index(connection, builds)
        self._apply_deferred(connection, builds)
        self._analyze(connection, builds)
        self.catch_up(connection, builds)

    def _load(self, connection: Connection[Any], builds: Sequence[Build]) -> None:
        """Again and again, while enough was appended meanwhile that copying is still the faster way."""
        least = 0
        while builds and (rest := self._rest(connection, builds)) > least:
            self._meter.begin("copying", rest)
            shards = list(in_turn(self._log.servers(connection)))
            processes = self._processes if rest > WORTH_LOADING else 1
            load_shards(self._connect, self._log, builds, shards, self._meter.count, self._limits, processes)
            least = WORTH_LOADING

    def _rest(self, connection: Connection[Any], builds: Sequence[Build]) -> int:
        """How many events are still to be read, once for all builds."""
        return sum(self._rest_of(connection, builds, lane) for lane in self._log.lanes(connection))

    def _rest_of(self, connection: Connection[Any], builds: Sequence[Build], lane: Sequence[int]) -> int:
        heads = self._log.heads_of(connection, lane)
        behind = [
            rests(connection, build, lane, heads if build.until is None else build.until) for build in builds
        ]
        return sum(max((of_build.get(shard, 0) for of_build in behind), default=0) for shard in lane)

    def _index(self, connection: Connection[Any], builds: Sequence[Build]) -> None:
        self._meter.begin("indexing")
        for build in builds:
            for table in build.projection.tables:
                index(connection, table, build.generation)

    def _analyze(self, connection: Connection[Any], builds: Sequence[Build]) -> None:
        """Or the first readers after the switch would be planned for empty tables."""
        for build in builds:
            for table in build.projection.tables:
                connection.execute(sql.SQL("ANALYZE {}").format(table.physical(build.generation.number)))

    def _apply_deferred(self, connection: Connection[Any], builds: Sequence[Build]) -> None:
        self._meter.begin("applying what waited")
        for build in builds:
            for shard in self._log.shards(connection):
                for page in deferred_events(connection, self._log, build.generation, shard):
                    given = named(build.generation) | {"shard": shard, "position": page[-1].position}
                    with connection.transaction():
                        parked = parking.skipped(connection, build.generation, [shard])
                        parking.apply_carefully(connection, build.projection, build.generation, page, parked)
                        connection.execute(DONE, given)

    def catch_up(self, connection: Connection[Any], builds: Sequence[Build]) -> None:
        """With what was appended while the indexes were made, and then while that was applied, and so on.

        It ends when little is left, or when it no longer gets less: then appends come as fast as they can be
        applied, and the rest is applied while they wait.
        """
        before: int | None = None
        for _ in range(ROUNDS):
            rest = self._rest(connection, builds)
            if rest <= SMALL_REST or (before is not None and rest > before * 0.9 and rest < WORTH_LOADING):
                return
            self._meter.begin("catching up", rest)
            for build in builds:
                counted = self._meter.count if build is builds[0] else lambda events: None
                catch_up(connection, self._log, build, counted)
            before = rest


def catch_up(
    connection: Connection[Any],
    log: Log,
    build: Build,
    count: Callable[[int], None],
    limit: int = PAGE_EVENTS,
) -> None:
    """Up to where the log ends now, in one lane after the other."""
    for lane in log.lanes(connection):
        catch_up_lane(connection, log, build, lane, count, limit)


def catch_up_lane(
    connection: Connection[Any],
    log: Log,
    build: Build,
    lane: Sequence[int],
    count: Callable[[int], None] = lambda events: None,
    limit: int = PAGE_EVENTS,
) -> None:
    until = log.heads_of(connection, lane) if build.until is None else build.until
    while shards := [shard for shard, rest in rests(connection, build, lane, until).items() if rest > 0]:
        given = (connection, log, build.projection, build.generation, shards, limit)
        count(carefully(connection, partial(follow_page, *given, until=until)).events)


def rests(
    connection: Connection[Any], build: Build, lane: Sequence[int], until: Mapping[int, int]
) -> dict[int, int]:
    """How many events of each of these shards a build has not got."""
    reached = positions(connection, build.generation, lane)
    return {shard: until[shard] - position for shard, position in reached.items() if position is not None}


def positions(
    connection: Connection[Any], generation: Generation, lane: Sequence[int]
) -> dict[int, int | None]:
    """How far a build has come in each of these shards; None where appends take it along."""
    return dict(connection.execute(REACHED, named(generation) | {"shards": list(lane)}).fetchall())


def in_turn(servers: Iterable[Sequence[int]]) -> Iterator[int]:
    """One shard of each server, then another of each: the next ones are of different servers."""
    return (shard for shards in zip_longest(*servers) for shard in shards if shard is not None)


def indexed(connection: Connection[Any], build: Build) -> Iterator[bool]:
    """For each table that gets indexes when it is filled, whether it has them."""
    for table in build.projection.tables:
        wanted = len(list(table.index(build.generation.number)))
        if not is_held(table) or wanted > 1:
            yield count_indexes(connection, table, build.generation) == wanted


def count_indexes(connection: Connection[Any], table: Table, generation: Generation) -> int:
    name = table.physical(generation.number).as_string(connection)
    row = connection.execute(INDEXES, [name]).fetchone()
    return int(row[0]) if row else 0


def index(connection: Connection[Any], table: Table, generation: Generation) -> None:
    """All in one transaction, so that a table has either what it had at the start, or everything."""
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        for statement in list(table.index(generation.number))[count_indexes(connection, table, generation) :]:
            connection.execute(statement)
