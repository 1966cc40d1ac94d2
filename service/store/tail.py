"""What happens in users' conversations, as it happens: from the log, in its order, once for all who watch."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import class_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from domain.recorded import Foreign, Recorded, Redacted, Unreadable
from service.repeating import Repeating
from service.store.codec import topic_of
from service.store.watched import Change, Heard, Missed, WatchedShard, Watcher

LOOK_EVERY: Final = 0.5
"""Seconds until what another process has appended is seen; what this one appends is seen at once."""
REST: Final = 0.05
"""Seconds between two looks, however much others append."""
PAGE: Final = 500
MOST_BEHIND: Final = 10_000
"""Events that are read for somebody who comes back; who missed more has to look again."""
AWAY: Final = (psycopg.OperationalError, PoolTimeout)
FAILED: Final = "what other processes have appended could not be seen; it is tried again"

HEAD: Final = "SELECT COALESCE(max(position), 0) FROM events WHERE shard = %(shard)s"
HEADS: Final = """
SELECT given.shard, COALESCE((
    SELECT max(e.position) FROM events AS e WHERE e.shard = given.shard AND e.shard = ANY(%(shards)s)), 0)
FROM lanes AS given WHERE given.shard = ANY(%(shards)s)"""
AFTER: Final = """
SELECT position, conversation_id, version, topic, user_id FROM events
WHERE shard = %(shard)s AND position > %(after)s ORDER BY position LIMIT %(limit)s"""

log = logging.getLogger("hansard.changes")


class Tail:
    """Where this process appends, it hands on what it has stored; where others do, one look finds it for all
    who watch. An idle listener costs nothing, and what happens is told to those alone whom it concerns."""

    def __init__(self, pool: AsyncConnectionPool[Any], lanes: Iterable[Sequence[int]]) -> None:
        """Each lane is looked at by itself: one that cannot be reached leaves the others' listeners alone."""
        self._pool = pool
        self._watched: dict[int, WatchedShard] = {}
        self._stirred: dict[int, asyncio.Event] = {}
        """Of each shard its lane's."""
        self._looking: list[Repeating] = []
        self._loop = asyncio.get_running_loop()
        for lane in lanes:
            stirred = asyncio.Event()
            self._stirred |= dict.fromkeys(lane, stirred)
            look = partial(self._look, frozenset(lane), stirred)
            self._looking.append(Repeating(look, REST, log, FAILED, passing=AWAY))
        self._left = False

    def start(self) -> None:
        for looking in self._looking:
            looking.start()

    async def close(self) -> None:
        for looking in self._looking:
            await looking.close()

    def leave(self) -> None:
        """Who watches goes on at another process."""
        self._left = True
        for watched in self._watched.values():
            watched.leave()

    def appended(self, events: Sequence[Recorded]) -> None:
        """Called by any thread."""
        watched = [each for each in events if each.shard in self._watched]
        if watched:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell, watched)

    async def head(self, shard: int) -> int:
        """A position before everything that is appended from now on."""
        watched = self._watched.get(shard)
        if watched is not None and watched.reached is not None:
            return watched.reached
        async with self._pool.connection() as connection:
            cursor = await connection.execute(HEAD, {"shard": shard})
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def after(self, shard: int, user_id: str, position: int, patience: float) -> AsyncIterator[Heard]:
        """What comes after the position and concerns the user, until this process leaves; an empty one after
        so long a silence."""
        watcher = Watcher(user_id)
        watched = self._join(shard, watcher)
        try:
            while not await watched.has_begun(patience):
                yield ()
            async for missed in self._missed(watched, watcher, position):
                yield missed
            while not self._left:
                heard = await watcher.heard(patience)
                yield [each for each in heard if each.position > position]
        finally:
            self._part(watched, watcher)

    def _join(self, shard: int, watcher: Watcher) -> WatchedShard:
        watched = self._watched.get(shard)
        if watched is None:
            watched = self._watched[shard] = WatchedShard(shard)
            self._stirred[shard].set()
        watched.join(watcher)
        return watched

    def _part(self, watched: WatchedShard, watcher: Watcher) -> None:
        watched.part(watcher)
        if not watched:
            del self._watched[watched.shard]

    async def _missed(self, watched: WatchedShard, watcher: Watcher, position: int) -> AsyncIterator[Heard]:
        """What all the others were told before this one came."""
        if watcher.since - position > MOST_BEHIND:
            yield [Missed(watcher.since)]
            return
        while position < watcher.since and not self._left:
            try:
                async with self._pool.connection() as connection:
                    found = await (await asked(connection, watched.shard, position)).fetchall()
            except AWAY:
                await asyncio.sleep(LOOK_EVERY)
                continue
            position = found[-1].position if found else watcher.since
            yield [
                each for each in found if each.position <= watcher.since and each.concerns(watcher.user_id)
            ]

    def _tell(self, events: Sequence[Recorded]) -> None:
        for each in events:
            watched = self._watched.get(each.shard)
            if watched is not None and not watched.tell(change_of(each)):
                self._stirred[each.shard].set()

    async def _look(self, lane: Collection[int], stirred: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await stirred.wait()
        stirred.clear()
        shards = [shard for shard in self._watched if shard in lane]
        if not shards:
            return
        async with self._pool.connection() as connection:
            behind = await self._behind(connection, shards)
            while behind:
                async with connection.pipeline():
                    pages = [await asked(connection, each.shard, each.reached or 0) for each in behind]
                behind = [
                    watched
                    for watched, found in zip(behind, pages, strict=True)
                    if told(watched, await found.fetchall()) == PAGE
                ]

    async def _behind(self, connection: AsyncConnection[Any], shards: Sequence[int]) -> list[WatchedShard]:
        """Those shards of which there is more than was told."""
        cursor = connection.cursor(row_factory=tuple_row)
        await cursor.execute(HEADS, {"shards": shards})
        behind = []
        for shard, head in await cursor.fetchall():
            watched = self._watched.get(shard)
            if watched is None:
                continue
            if watched.reached is None:
                watched.begin(head)
            elif head > watched.reached:
                behind.append(watched)
        return behind


async def asked(connection: AsyncConnection[Any], shard: int, after: int) -> AsyncCursor[Change]:
    """For a page of what comes after the position; several of them may be asked for in one round trip."""
    cursor = connection.cursor(row_factory=class_row(Change))
    return await cursor.execute(AFTER, {"shard": shard, "after": after, "limit": PAGE})


def told(watched: WatchedShard, changes: Sequence[Change]) -> int:
    for each in changes:
        watched.tell(each)
    return len(changes)


def change_of(recorded: Recorded) -> Change:
    event = recorded.event
    topic = event.topic if isinstance(event, Foreign | Redacted | Unreadable) else topic_of(type(event))
    return Change(recorded.position, recorded.conversation_id, recorded.version, topic, recorded.user_id)
