"""Brings the projections that are behind up to the log, for as long as the process runs."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from psycopg import Connection

from projections.following.lane import PAGE_EVENTS, Connect, LaneFollower, Rest
from projections.following.parking import in_words
from projections.following.wake import Wake
from projections.log import Log
from projections.projection import Projection

logger = logging.getLogger("hansard.follower")


class Follower:
    """One thread a lane, so that a lane which cannot be reached holds up no other. Several processes share
    the work: each takes the shards that no other has in hand."""

    def __init__(
        self,
        connect: Connect,
        log: Log,
        projections: Iterable[Projection],
        on_progress: Callable[[str], None] = lambda projection: None,
        page: int = PAGE_EVENTS,
        wake: Callable[[], Wake] = Wake,
    ) -> None:
        """Each lane has a `wake` of its own."""
        self._connect = connect
        self._log = log
        self._projections = {projection.name: projection for projection in projections}
        self._on_progress = on_progress
        self._page = page
        self._wake = wake
        self._stopping = threading.Event()
        self._lanes: Sequence[LaneFollower] = ()
        self._started_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="hansard-follower", daemon=True)

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for lane in self._lanes:
            lane.wake.set()
        if self._thread.is_alive():
            self._thread.join()
        lanes, self._lanes = self._lanes, ()
        for lane in lanes:
            lane.wake.close()

    def appended(self, shards: Collection[int]) -> None:
        """Called by any thread, after a commit."""
        for lane in self._lanes:
            if not lane.shards.isdisjoint(shards):
                lane.wake.set()

    def standing_still_for(self) -> float:
        """Seconds since any lane last looked what is behind, or took a page further. Each looks at least
        every second when there is nothing to do."""
        moved = [lane.moved_at for lane in self._lanes]
        return time.monotonic() - max(moved, default=self._started_at)

    def out_of_reach(self, patience: float) -> list[int]:
        """The shards of the lanes that it could not look at, or that let it wait for so many seconds."""
        away = [lane for lane in self._lanes if lane.is_out_of_reach(patience)]
        return sorted(shard for lane in away for shard in lane.shards)

    def is_silent(self, shard: int, patience: float) -> bool:
        """Whether the shard's lane lets everybody wait who asks anything of it, while there are others."""
        lanes = self._lanes
        return len(lanes) > 1 and any(shard in lane.shards and lane.is_silent(patience) for lane in lanes)

    def run_once(self) -> int:
        """Follows until nothing is behind; gives back how many events it applied, over all projections."""
        with self._connect() as connection:
            connection.autocommit = True
            lanes = self._lanes_on(connection)
            try:
                return sum(lane.follow_to_the_end(connection) for lane in lanes)
            finally:
                for lane in lanes:
                    lane.wake.close()

    def _run(self) -> None:
        self._find_lanes()
        threads = [threading.Thread(target=lane.run, name=str(lane), daemon=True) for lane in self._lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _find_lanes(self) -> None:
        rest = Rest()
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    self._lanes = self._lanes_on(connection)
            except Exception as error:  # whatever it is, following begins
                rest = rest.longer()
                logger.warning("following begins in %.1f s: %s", rest.pause, in_words(error))
                self._stopping.wait(rest.pause)
            else:
                return

    def _lanes_on(self, connection: Connection[Any]) -> list[LaneFollower]:
        return [
            LaneFollower(
                shards,
                self._connect,
                self._log,
                self._projections,
                self._on_progress,
                self._page,
                self._wake(),
                self._stopping,
            )
            for shards in self._log.lanes(connection)
        ]
