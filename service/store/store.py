"""The log, as the service appends to it: finds the lane of each append and waits for its outcome."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from hashlib import blake2b
from typing import Any

from psycopg import Connection

from projections.projection import Projection
from service.store.append import Append, Appended
from service.store.connections import Database
from service.store.incarnation import current
from service.store.layout import hold, lanes
from service.store.migrations import check_migrated
from service.store.observer import Observer
from service.store.tagging import find_tags_of
from service.store.writer import Committed, LaneWriter

LaneConnected = Callable[[Connection[Any], Sequence[int]], None]


def nothing_of_a_lane(connection: Connection[Any], shards: Sequence[int]) -> None:
    pass


class Store:
    def __init__(
        self,
        database: Database,
        projections: Sequence[Projection] = (),
        committed: Committed = lambda events: None,
        queue_limit: int = 10_000,
        observer: Observer | None = None,
        connected: LaneConnected = nothing_of_a_lane,
    ) -> None:
        """Of a connection to append to a lane on, `connected` is told before anything is."""
        with database.connect(patience=database.patience.asked) as connection:
            check_migrated(connection)
            self.incarnation = current(connection)
            database.topology.check(connection)
            self.lanes = lanes(connection)
        shards_of = {shards[0]: shards for shards in self.lanes}
        self.shards = sum(map(len, shards_of.values()))
        self.patience = database.patience
        self.find_tags = find_tags_of(projections)

        def attached(shards: Sequence[int], connection: Connection[Any]) -> None:
            hold(connection, self.lanes)
            connected(connection, shards)

        given = (projections, committed, queue_limit, observer)
        writers = {
            lane: LaneWriter(database, lane, *given, partial(attached, shards))
            for lane, shards in shards_of.items()
        }
        self._writers: Sequence[LaneWriter] = tuple(writers.values())
        self._writer_of = {shard: writers[lane] for lane, shards in shards_of.items() for shard in shards}

    def start(self) -> None:
        for writer in self._writers:
            writer.start()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def waiting(self) -> int:
        return sum(writer.waiting() for writer in self._writers)

    def standing_still_for(self) -> float:
        """For how many seconds none of its writers has got on with what was asked of it."""
        return min(writer.standing_still_for() for writer in self._writers)

    def out_of_reach(self, patience: float) -> list[int]:
        """The shards whose writer could store nothing for so many seconds."""
        return sorted(
            shard for shard, writer in self._writer_of.items() if writer.standing_still_for() >= patience
        )

    def shard_of(self, user_id: str) -> int:
        return shard_of(user_id, self.shards)

    async def append(self, append: Append) -> Appended:
        """Acknowledged once it is committed. If the caller goes away meanwhile, the append goes on."""
        waiting: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        append.waiting = waiting
        self.submit(append)
        return await waiting

    def append_blocking(self, append: Append) -> Appended:
        waiting: Future[Appended] = Future()
        append.waiting = waiting
        self.submit(append)
        return waiting.result()

    def submit(self, append: Append) -> None:
        """Whoever waits is told the outcome; appends of one lane are taken in this order."""
        self._writer_of[append.shard].submit(append)


def shard_of(user_id: str, shards: int) -> int:
    """The same in every process and for ever, unlike Python's own hash."""
    return int.from_bytes(blake2b(user_id.encode(), digest_size=8).digest()) % shards
