"""Who has read whose record, put on record too, and read again.

An auditor's read is recorded before it is answered: a record that could be lost would be none. Anybody
else's, where the settings want them, waits for nobody: it is written behind the answer, within moments, and
given up only where the database stays away for so long that thousands wait.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct, structs
from psycopg import OperationalError
from psycopg_pool import PoolClosed, PoolTimeout

from service.audit.errors import ReadNotRecorded
from service.store.past import Pool, rows

MOST_WAITING: Final = 10_000
AT_ONCE: Final = 500
PATIENCE: Final = 5.0
"""Seconds that an auditor waits for the record of her read; and those that a clean stop waits for all."""
REST: Final = 0.5
"""Seconds before the database is tried again."""
LAST_ID: Final = UUID(int=2**128 - 1)
"""Before this are the latest."""
EVERYBODYS: Final = 0
"""The shard of a read that was of nobody in particular."""

INSERT: Final = """
INSERT INTO reads (shard, id, user_id, conversation_id, reader, operation, request_id, read_at)
VALUES (%(shard)s, %(id)s, %(user_id)s, %(conversation_id)s, %(reader)s, %(operation)s, %(request_id)s,
    %(read_at)s)
ON CONFLICT (shard, id) DO NOTHING"""
FOUND: Final = """
SELECT r.shard, r.id, r.user_id, r.conversation_id, r.reader, r.operation, r.request_id, r.read_at
FROM lanes AS l
CROSS JOIN LATERAL (
    SELECT * FROM reads
    WHERE shard = l.shard AND shard = ANY(%(shards)s::smallint[]) AND id < %(before)s
        AND (%(user_id)s::text IS NULL OR user_id = %(user_id)s)
        AND (%(conversation_id)s::uuid IS NULL OR conversation_id = %(conversation_id)s)
        AND (%(since)s::timestamptz IS NULL OR id >= %(first)s AND read_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR read_at < %(until)s)
    ORDER BY id DESC LIMIT %(limit)s) AS r
WHERE l.shard = ANY(%(shards)s::smallint[])
ORDER BY r.id DESC LIMIT %(limit)s"""

logger = logging.getLogger("hansard.audit")


class Read(Struct, frozen=True):
    shard: int
    id: UUID
    user_id: str | None
    conversation_id: UUID | None
    reader: str | None
    operation: str
    request_id: str | None
    read_at: datetime


class Waiting(Struct, eq=False):
    read: Read
    written: asyncio.Future[None] | None = None


class Reads:
    """Each lane by itself: what waits for one that is away keeps no other waiting."""

    def __init__(self, pool: Pool, lanes: Sequence[Sequence[int]], most_waiting: int = MOST_WAITING) -> None:
        self._lanes = [LaneReads(pool, most_waiting) for _ in lanes]
        self._of = {shard: reads for lane, reads in zip(lanes, self._lanes, strict=True) for shard in lane}

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    async def close(self) -> None:
        """What waits is written first, if the database is there."""
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    async def record(self, read: Read) -> None:
        """Returns when it is stored; a read that cannot be recorded is refused."""
        await self._of[read.shard].record(read)

    def record_soon(self, read: Read) -> None:
        self._of[read.shard].record_soon(read)


class LaneReads:
    """Whatever waits while one batch is written is the next one."""

    def __init__(self, pool: Pool, most_waiting: int) -> None:
        self._pool = pool
        self._most_waiting = most_waiting
        self._waiting: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._lost = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_writing())

    async def close(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=PATIENCE)
            if not done:
                self._task.cancel()
                with suppress(asyncio.CancelledError):
                    await self._task
        if self._waiting:
            logger.warning("%d reads could not be put on record: the database is away", len(self._waiting))

    async def record(self, read: Read) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = Waiting(read, written)
        if self._stopping or len(self._waiting) >= self._most_waiting:
            raise ReadNotRecorded
        self._add(waiting)
        try:
            async with asyncio.timeout(PATIENCE):
                await written
        except TimeoutError:
            with suppress(ValueError):
                self._waiting.remove(waiting)
            raise ReadNotRecorded from None

    def record_soon(self, read: Read) -> None:
        if self._stopping or len(self._waiting) >= self._most_waiting:
            self._lost += 1
            if self._lost == 1 or self._lost % 1_000 == 0:
                logger.warning("%d reads were not put on record: too many wait", self._lost)
            return
        self._add(Waiting(read))

    def _add(self, waiting: Waiting) -> None:
        self._waiting.append(waiting)
        self._wake.set()

    async def _keep_writing(self) -> None:
        while not self._stopping or self._waiting:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting[at] for at in range(min(AT_ONCE, len(self._waiting)))]
            try:
                await self._write([each.read for each in batch])
            except (OperationalError, PoolTimeout, PoolClosed) as failed:
                logger.warning("reads cannot be put on record yet: %s", failed)
                await asyncio.sleep(REST)
            except Exception:
                logger.exception("%d reads cannot be put on record", len(batch))
                self._done(batch, ReadNotRecorded())
            else:
                self._done(batch)

    def _done(self, batch: Sequence[Waiting], failed: Exception | None = None) -> None:
        for each in batch:
            with suppress(ValueError):  # who waited for it may have given up meanwhile
                self._waiting.remove(each)
            if each.written is None or each.written.done():
                continue
            if failed is None:
                each.written.set_result(None)
            else:
                each.written.set_exception(failed)

    async def _write(self, reads: Sequence[Read]) -> None:
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.executemany(INSERT, [structs.asdict(read) for read in reads])


class Wanted(Struct, frozen=True, kw_only=True):
    """Which reads are looked for; None: whichever."""

    user_id: str | None = None
    conversation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


async def page_of_reads(
    pool: Pool, shards: Sequence[int], wanted: Wanted, before: UUID, limit: int
) -> list[Read]:
    """The latest first, before an id."""
    if wanted.until is not None:
        before = min(before, first_id(wanted.until, beyond=1))
    given = {
        "shards": list(shards),
        "before": before,
        "first": None if wanted.since is None else first_id(wanted.since),
        "limit": limit,
        **structs.asdict(wanted),
    }
    async with pool.connection() as connection:
        return [Read(*row) for row in await rows(connection, FOUND, given)]


def first_id(at: datetime, beyond: int = 0) -> UUID:
    """No id that was made at this time, or later, comes before it."""
    milliseconds = max(0, int(at.timestamp() * 1000) + beyond)
    return UUID(int=min(milliseconds, 2**48 - 1) << 80)
