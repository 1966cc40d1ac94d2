"""Builds projections anew beside the live ones, while the service goes on, and switches."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection

from projections import generations
from projections.following import parking
from projections.following.advance import put_in_step
from projections.generations import Generation
from projections.log import Log
from projections.projection import Projection
from projections.rebuilding.filling import PAGE_EVENTS, Filler
from projections.rebuilding.guard import guarded
from projections.rebuilding.loaders import Connect
from projections.rebuilding.loading import Build, LoadLimits
from projections.rebuilding.progress import Meter, Progress


class Rebuilt(Struct, frozen=True):
    generations: list[Generation]
    events: int
    seconds: float
    locked: float
    """For how many seconds appends had to wait for the switch."""
    parked: int
    left: list[Generation]
    """Older builds whose tables are still being read; the next replay drops them."""

    @property
    def speed(self) -> float:
        return self.events / max(self.seconds, 0.001)


class Rebuild:
    """One new build of each of some projections, in one pass over the log.

    Copies shard after shard into tables without indexes, makes the indexes, applies what had to wait for
    them, catches up with what was appended meanwhile, and switches under the locks of all lanes, so that no
    append falls between the old and the new. Stopped at any point, it goes on there when it is run again.
    """

    def __init__(
        self,
        connect: Connect,
        log: Log,
        projections: Iterable[Projection],
        report: Callable[[Progress], None] = lambda progress: None,
        *,
        restart: bool = False,
        processes: int = 1,
        limits: LoadLimits | None = None,
    ) -> None:
        self._connect = connect
        self._log = log
        self._projections = tuple(projections)
        self._meter = Meter(report)
        self._restart = restart
        self._processes = processes
        self._limits = limits or LoadLimits()

    def run(self) -> Rebuilt:
        started = time.monotonic()
        with self._connect() as connection:
            connection.autocommit = True
            with guarded(connection, self._projections):
                builds = self._begin(connection)
                filler = Filler(self._connect, self._log, self._meter, self._processes, self._limits)
                filler.fill(connection, builds)
                self._meter.begin("switching")
                older, locked = switch(connection, self._log, builds)
                left = [each for each in older if not generations.drop(connection, each)]
                parked = sum(
                    len(parking.skipped(connection, build.generation, lane))
                    for build in builds
                    for lane in self._log.lanes(connection)
                )
                return Rebuilt(
                    [replace(build.generation, stage="live") for build in builds],
                    sum(self._log.heads(connection).values()),
                    time.monotonic() - started,
                    locked,
                    parked,
                    left,
                )

    def _begin(self, connection: Connection[Any]) -> list[Build]:
        """The builds that were begun before, or new ones."""
        builds = []
        for projection in self._projections:
            generations.drop_retired(connection, projection)
            begun = generations.building(connection, projection)
            if begun is not None and self._restart:
                generations.drop(connection, begun)
                begun = None
            builds.append(
                Build(projection, begun or generations.create(connection, projection, self._log, "building"))
            )
        return builds


def switch(connection: Connection[Any], log: Log, builds: Sequence[Build]) -> tuple[list[Generation], float]:
    """Makes all builds live in one transaction. What is written with the append gets the rest here, while
    appends wait; followers go on with the others from where they are."""
    older = []
    with connection.transaction():
        lanes = log.lanes(connection)
        log.lock(connection, chain.from_iterable(lanes))
        locked = time.monotonic()
        for build in builds:
            for lane in lanes if build.projection.with_append else ():
                given = (connection, log, build.projection, build.generation, lane, PAGE_EVENTS)
                put_in_step(*given, parking.apply_carefully)
            if (retired := generations.switch(connection, build.generation)) is not None:
                older.append(retired)
    return older, time.monotonic() - locked
