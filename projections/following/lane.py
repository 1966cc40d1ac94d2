"""Follows the log in one lane: the shards that lie together, and can be reached or not together."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Json

from projections.following import parking
from projections.following.advance import Step, follow_page, put_in_step
from projections.following.wake import CHANNEL, Wake
from projections.generations import Generation
from projections.log import Log, few_at_once
from projections.projection import Projection

logger = logging.getLogger("hansard.follower")

Connect = Callable[[], Connection[Any]]

PAGE_EVENTS: Final = 1_000
POLL: Final = 1.0
CONTESTED: Final = 0.005
"""How long to wait for another process that has the same shards in hand."""
GATHER: Final = 0.02
"""How long what is appended gathers after a round, so that one transaction takes all of it: a round of one
event costs about as much as one of fifty."""
SMALL_REST: Final = 500
LARGEST_REST: Final = 16_000
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
AT_ONCE: Final = 0.5
"""Within so many seconds a server that is not there is refused."""

BEHIND: Final = """
    SELECT projection, generation, version, shard, position, head
    FROM (
        SELECT c.projection, c.generation, g.version, c.shard, c.position, COALESCE((
            SELECT e.position FROM events AS e
            WHERE e.shard = c.shard AND e.shard = ANY(%(shards)s::smallint[]) ORDER BY e.position DESC LIMIT 1
        ), 0) AS head
        FROM checkpoints AS c
        JOIN generations AS g ON g.projection = c.projection AND g.generation = c.generation
        WHERE c.shard = ANY(%(shards)s::smallint[]) AND g.stage = 'live' AND c.position IS NOT NULL
            AND g.version = (%(known)s::jsonb ->> g.projection)
    ) AS reached
    WHERE position < head OR projection = ANY(%(with_append)s::text[])
    ORDER BY projection, generation, shard
"""
"""Of one lane's shards, or of some of them."""


class Behind(Struct, frozen=True):
    """A shard that a build has not got to the end of."""

    projection: str
    generation: int
    version: str
    shard: int
    position: int
    head: int


class LaneFollower:
    """For one thread, and one connection at a time."""

    def __init__(
        self,
        shards: Sequence[int],
        connect: Connect,
        log: Log,
        projections: Mapping[str, Projection],
        on_progress: Callable[[str], None],
        page: int,
        wake: Wake,
        stopping: threading.Event,
    ) -> None:
        self.shards = frozenset(shards)
        self._parts = list(few_at_once(sorted(shards)))
        self.wake = wake
        self.moved_at = time.monotonic()
        """When it last looked what is behind, or took a page further."""
        self._connect = connect
        self._log = log
        self._projections = projections
        self._on_progress = on_progress
        self._page = page
        self._stopping = stopping
        self._looking_since: float | None = None
        """When it asked what is behind, if it has no answer yet."""
        self._rest = Rest()
        """Of all of it; longer each time until it could look again."""
        self._took = 0.0
        """How many seconds it waited until it was told that it could not look."""
        self._resting: dict[str, Rest] = {}
        self._patience: dict[str, int] = {}

    def __str__(self) -> str:
        return f"hansard-follower-{min(self.shards)}"

    def is_out_of_reach(self, patience: float) -> bool:
        """It could not look the last time, or has waited for so many seconds to be told what is behind."""
        return self._rest.pause > 0 or self._waits(patience)

    def is_silent(self, patience: float) -> bool:
        """The same, and whoever asks it for anything waits: it does not even refuse at once."""
        return self._took > AT_ONCE or self._waits(patience)

    def _waits(self, patience: float) -> bool:
        asked = self._looking_since
        return asked is not None and asked < time.monotonic() - patience

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    connection.autocommit = True
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._attend(connection)
            except Exception as error:  # whatever it is, following goes on
                self._be_out_of_reach(error)
                self._take_a_rest()

    def follow_to_the_end(self, connection: Connection[Any]) -> int:
        """Until nothing is behind; gives back how many events it applied."""
        applied = 0
        while behind := self._behind(connection):
            steps = [self._follow(connection, group) for group in by_build(behind)]
            applied += sum(step.events for step in steps)
            if any(step.contested for step in steps):
                time.sleep(CONTESTED)
        return applied

    def _attend(self, connection: Connection[Any]) -> None:
        while True:
            self.wake.clear()
            if self._stopping.is_set():
                return
            groups = by_build(self._behind(connection))
            self._be_in_reach()
            steps = [self._try(connection, group) for group in groups]
            if any(step.contested for step in steps):
                self.wake.wait(CONTESTED, connection, self.shards)
            elif not any(step.events for step in steps):
                self.wake.wait(POLL, connection, self.shards)
            elif all(map(took_all, groups, steps)):
                self._stopping.wait(GATHER)

    def _take_a_rest(self) -> None:
        """What is appended meanwhile says that it is there again."""
        self.wake.clear()
        self._stopping.wait(FIRST_PAUSE)
        if not self._stopping.is_set():
            self.wake.wait(self._rest.pause - FIRST_PAUSE)

    def _be_out_of_reach(self, error: Exception) -> None:
        """Said once, however long it lasts: the others go on."""
        if self._looking_since is not None:
            self._took, self._looking_since = time.monotonic() - self._looking_since, None
        level = logging.DEBUG if self._rest.pause else logging.WARNING
        self._rest = self._rest.longer(POLL)
        logger.log(
            level,
            "following stopped, and goes on in %.1f s, in the lane of shard %d: %s",
            self._rest.pause,
            min(self.shards),
            parking.in_words(error),
        )

    def _be_in_reach(self) -> None:
        if self._rest.pause:
            logger.info("following goes on in the lane of shard %d", min(self.shards))
            self._rest, self._took = Rest(), 0.0

    def _behind(self, connection: Connection[Any]) -> list[Behind]:
        projections = self._projections.values()
        given = {
            "known": Json({each.name: each.version for each in projections}),
            "with_append": [each.name for each in projections if each.with_append],
        }
        self._looking_since = time.monotonic()
        with connection.cursor(row_factory=class_row(Behind)) as cursor:
            behind = [
                each
                for shards in self._parts
                for each in cursor.execute(BEHIND, given | {"shards": shards}).fetchall()
            ]
        self._looking_since, self.moved_at = None, time.monotonic()
        return behind

    def _try(self, connection: Connection[Any], behind: Sequence[Behind]) -> Step:
        """One projection's trouble does not hold up the others: it rests for a while."""
        name = behind[0].projection
        rest = self._resting.get(name, Rest())
        if time.monotonic() < rest.until:
            return Step()
        try:
            step = self._follow(connection, behind)
        except Exception as error:
            if connection.closed:
                raise
            self._resting[name] = rest = rest.longer()
            logger.warning(
                "%s could not follow, and rests for %.1f s: %s", name, rest.pause, parking.in_words(error)
            )
            return Step()
        self._resting.pop(name, None)
        self.moved_at = time.monotonic()
        return step

    def _follow(self, connection: Connection[Any], behind: Sequence[Behind]) -> Step:
        """One page of one projection."""
        first = behind[0]
        projection = self._projections[first.projection]
        generation = Generation(first.projection, first.generation, first.version, "live")
        shards = [each.shard for each in behind]
        rest = sum(each.head - each.position for each in behind)
        in_step = projection.with_append and rest <= self._patience.get(first.projection, SMALL_REST)
        given = (connection, self._log, projection, generation, shards, self._page)
        if in_step:
            step = parking.carefully(connection, partial(put_in_step, *given))
        else:
            step = parking.carefully(connection, partial(follow_page, *given))
        if projection.with_append:
            self._be_patient(first.projection, in_step)
        if step.parked:
            logger.warning("%s parked %d conversations", first.projection, step.parked)
        if step.events or in_step:
            self._on_progress(first.projection)
        return step

    def _be_patient(self, projection: str, in_step: bool) -> None:
        """Where appends come as fast as they can be followed, more and more of them are left to be applied
        under the lane's lock: so in the end it is caught up with, at the price of one longer pause."""
        if in_step:
            self._patience.pop(projection, None)
        else:
            allowed = self._patience.get(projection, SMALL_REST)
            self._patience[projection] = min(allowed * 2, LARGEST_REST)


class Rest(Struct, frozen=True):
    """How long something that failed is left alone: longer each time."""

    pause: float = 0.0
    until: float = 0.0

    def longer(self, longest: float = LONGEST_PAUSE) -> "Rest":
        pause = min(max(FIRST_PAUSE, self.pause * 2), longest)
        return Rest(pause, time.monotonic() + pause)


def took_all(behind: Iterable[Behind], step: Step) -> bool:
    """What there was when it was looked at."""
    return step.events >= sum(each.head - each.position for each in behind)


def by_build(behind: Iterable[Behind]) -> list[list[Behind]]:
    """In the order of their shards."""
    ordered = sorted(behind, key=build_of)
    return [list(group) for _, group in groupby(ordered, build_of)]


def build_of(behind: Behind) -> tuple[str, int]:
    return behind.projection, behind.generation
