"""Fills the tables of new builds from a shard's log: folded in memory, copied into tables without indexes."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.recorded import Recorded
from projections.following import parking
from projections.following.advance import move
from projections.following.parking import Poison, Skipped, changes_of, poison_of
from projections.generations import Generation, is_held, named
from projections.log import Log
from projections.projection import Projection
from projections.rows.apply import apply, carry_out, putting_in
from projections.rows.changes import Change, Delete, Fold, TableFold, Update
from projections.rows.copied import CopyRefused

CLAIM: Final = """
    SELECT position FROM checkpoints
    WHERE projection = %(projection)s AND generation = %(number)s AND shard = %(shard)s
    FOR UPDATE
"""

DEFER: Final = """
    INSERT INTO deferred (shard, projection, generation, position)
    SELECT l.shard, %(projection)s, %(number)s, given.position
    FROM lanes AS l
    CROSS JOIN unnest(%(positions)s::bigint[]) AS given (position)
    WHERE l.shard = %(shard)s
"""

DEFERRED: Final = """
    SELECT position FROM deferred
    WHERE projection = %(projection)s AND generation = %(number)s AND shard = %(shard)s
      AND position > %(after)s
    ORDER BY position LIMIT %(limit)s
"""

AT_ONCE: Final = 100
"""So many events are folded while the next ones come: few enough to stay in the processor's cache."""


class LoadLimits(Struct, frozen=True):
    """How much is held in memory: a chunk is read and copied, some chunks are one transaction."""

    chunk_events: int = 8_000
    segment_events: int = 100_000
    segment_rows: int = 30_000


class Build(Struct, frozen=True, eq=False):
    projection: Projection
    generation: Generation
    until: Mapping[int, int] | None = None
    """A position for each shard to stop at; None: the end of the log."""


class BuildIsGone(Exception):
    """Somebody dropped a build while it was filled."""


class Load:
    """What one build takes of one shard in one transaction.

    Rows of large tables are copied chunk by chunk, and those of small ones held in memory until the end. A
    change of a row that is copied already has to wait for the indexes: its event is noted as deferred, and so
    is all that follows in that conversation, or the two would come in the wrong order.

    This rests on what every projection keeps to: an event changes its conversation's rows, or adds to sums.
    """

    def __init__(self, build: Build, shard: int, position: int, late: set[UUID], parked: Skipped) -> None:
        self.build = build
        self.shard = shard
        self.position = position
        self.late = set(late)
        self.parked = dict(parked)
        self.fold = Fold()
        self.deferred: list[int] = []
        self.poison: list[Poison] = []
        self._large = {
            table.name: TableFold(table) for table in build.projection.tables if not is_held(table)
        }
        self.fold.tables.update(self._large)

    @property
    def held(self) -> int:
        """How many rows wait for the end of the transaction."""
        return sum(each.held for each in self.fold.tables.values())

    def take(self, page: Sequence[Recorded]) -> None:
        """What of the page is this build's."""
        begin = self.position - page[0].position + 1
        end = len(page)
        if self.build.until is not None:
            end = max(0, self.build.until[self.shard] - page[0].position + 1)
        page = page[begin:end]
        projection, large, take = self.build.projection, self._large, self.fold.take
        for recorded in page:
            try:
                changes = changes_of(projection, recorded, self.parked)
            except Exception as error:
                self.park(recorded, error)
                continue
            if large and not self._fits(recorded.conversation_id, changes):
                self.late.add(recorded.conversation_id)
                self.deferred.append(recorded.position)
            else:
                take(changes)
        if page:
            self.position = page[-1].position

    def park(self, recorded: Recorded, error: Exception) -> None:
        key = (recorded.shard, recorded.conversation_id)
        if key not in self.parked:
            self.parked[key] = recorded.position
            self.poison.append(poison_of(recorded, error))

    def _fits(self, conversation_id: UUID, changes: Iterable[Change]) -> bool:
        """Whether all that it changes in large tables is in this chunk, and nothing before it had to wait."""
        if self.late and conversation_id in self.late:
            return False
        for change in changes:
            if type(change) is Update or type(change) is Delete:
                table = self._large.get(change.table.name)
                if table is not None and change.key not in table.inserts:
                    return False
        return True

    def put_in(self, connection: Connection[Any], copies: bool = True) -> None:
        """The chunk's rows of large tables."""
        for name, fold in self._large.items():
            if fold.inserts:
                carry_out(connection, putting_in(fold, self.build.generation.number, copies))
                self._large[name] = self.fold.tables[name] = TableFold(fold.table)

    def finish(self, connection: Connection[Any], copies: bool = True) -> None:
        """What was held, and how far this build has come."""
        generation = self.build.generation
        apply(connection, self.fold, generation.number, copies)
        if self.deferred:
            connection.execute(DEFER, named(generation) | {"shard": self.shard, "positions": self.deferred})
        parking.park(connection, generation, self.poison)
        move(connection, generation, {self.shard: self.position})


class ShardLoader:
    """Fills the tables of some builds from one shard; each transaction goes on where the last one ended."""

    def __init__(
        self,
        connection: Connection[Any],
        log: Log,
        builds: Sequence[Build],
        shard: int,
        report: Callable[[int], None],
        limits: LoadLimits,
    ) -> None:
        self._connection = connection
        self._log = log
        self._builds = builds
        self._shard = shard
        self._report = report
        self._limits = limits
        self._late = {build: self._late_of(build) for build in builds}

    def load(self) -> None:
        while self._load_segment():
            pass

    def _load_segment(self) -> int:
        try:
            with self._connection.transaction():
                return self._load_chunks()
        except Exception as error:
            if self._connection.closed or not parking.is_about_the_event(error):
                raise
        with self._connection.transaction():
            return self._load_carefully()

    def _load_chunks(self) -> int:
        events, limits = 0, self._limits
        loads = self._begin()
        if not loads:
            return 0
        after = min(load.position for load in loads)
        while events < limits.segment_events and sum(load.held for load in loads) < limits.segment_rows:
            taken = 0
            with closing(self._page(after)) as page:
                while piece := list(islice(page, AT_ONCE)):
                    for load in loads:
                        load.take(piece)
                    taken += len(piece)
                    after = piece[-1].position
            if not taken:
                break
            for load in loads:
                load.put_in(self._connection)
            events += taken
            self._report(taken)
        for load in loads:
            self._end(load)
        return events

    def _load_carefully(self) -> int:
        """One chunk only, and each build by itself: halved until the event that is refused stands alone."""
        loads = self._begin()
        page = list(self._page(min(load.position for load in loads))) if loads else []
        for load in loads:
            self._load_halves(load, page)
        return len(page)

    def _load_halves(self, load: Load, page: Sequence[Recorded], copies: bool = True) -> Load:
        piece = Load(load.build, self._shard, load.position, load.late, load.parked)
        try:
            with self._connection.transaction():
                piece.take(page)
                piece.put_in(self._connection, copies)
                self._end(piece, copies)
                return piece
        except CopyRefused:
            return self._load_halves(load, page, copies=False)
        except Exception as error:
            if self._connection.closed or not parking.is_about_the_event(error):
                raise
            if len(page) == 1:
                piece = Load(load.build, self._shard, load.position, load.late, load.parked)
                piece.park(page[0], error)
                piece.take(page)
                self._end(piece)
                return piece
        half = len(page) // 2
        return self._load_halves(self._load_halves(load, page[:half], copies), page[half:], copies)

    def _begin(self) -> list[Load]:
        """Of the builds that are not where they stop. Under the locks of the checkpoints, so that nobody else
        can be filling the same ones."""
        self._connection.execute("SET LOCAL synchronous_commit = off")
        loads = []
        for build in self._builds:
            given = named(build.generation) | {"shard": self._shard}
            row = self._connection.execute(CLAIM, given).fetchone()
            if row is None:
                raise BuildIsGone(f"the build of {build.projection.name} is gone")
            if build.until is None or row[0] < build.until[self._shard]:
                parked = parking.skipped(self._connection, build.generation, [self._shard])
                loads.append(Load(build, self._shard, row[0], self._late[build], parked))
        return loads

    def _end(self, load: Load, copies: bool = True) -> None:
        load.finish(self._connection, copies)
        self._late[load.build] = load.late

    def _page(self, after: int) -> Generator[Recorded]:
        most = self._limits.chunk_events
        ends = [build.until[self._shard] for build in self._builds if build.until is not None]
        if len(ends) == len(self._builds):
            most = min(most, max(ends) - after)
        if most > 0:
            yield from self._log.page(self._connection, self._shard, after, most)

    def _late_of(self, build: Build) -> set[UUID]:
        """The conversations that earlier transactions deferred."""
        pages = deferred_events(self._connection, self._log, build.generation, self._shard)
        return {recorded.conversation_id for page in pages for recorded in page}


def deferred_events(
    connection: Connection[Any], log: Log, generation: Generation, shard: int, limit: int = 1_000
) -> Iterable[list[Recorded]]:
    after = 0
    while True:
        given = named(generation) | {"shard": shard, "after": after, "limit": limit}
        positions = [position for (position,) in connection.execute(DEFERRED, given)]
        if not positions:
            return
        yield log.at(connection, shard, positions)
        after = positions[-1]
