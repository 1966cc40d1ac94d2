"""What happens in users' conversations, as it happens, for whoever watches: from the log, in its order."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

LOOK_EVERY: Final = 0.5
"""Seconds until what another process has appended is seen; what this one appends is seen at once."""
PAGE: Final = 500

HEAD: Final = "SELECT COALESCE(max(position), 0) FROM events WHERE shard = %(shard)s"
AFTER: Final = """
SELECT position, conversation_id, version, topic, user_id FROM events
WHERE shard = %(shard)s AND position > %(after)s ORDER BY position LIMIT %(limit)s"""


class Change(Struct, frozen=True):
    position: int
    conversation_id: UUID
    version: int
    topic: str
    user_id: str | None
    """None once its conversation is erased."""


class Tail:
    """One look at a shard for all who watch it in this process; none while nobody does."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._watched: dict[int, int] = defaultdict(int)
        self._appended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._left = False

    def leave(self) -> None:
        """Who watches goes on at another process."""
        self._left = True
        self._wake()

    def appended(self) -> None:
        """Called by any thread."""
        if self._watched:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake)

    async def head(self, shard: int) -> int:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(HEAD, {"shard": shard})
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def after(self, shard: int, position: int, patience: float) -> AsyncIterator[Sequence[Change]]:
        """What comes after the position, until this process leaves; an empty one after so long a silence."""
        self._watched[shard] += 1
        try:
            quiet = 0.0
            while not self._left:
                appended = self._appended
                try:
                    found = await self._look(shard, position)
                except (psycopg.OperationalError, PoolTimeout):
                    found = []  # the database is away: there is nothing new in it
                if found:
                    position, quiet = found[-1].position, 0.0
                    yield found
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await appended.wait()
                quiet += LOOK_EVERY
                if quiet >= patience:
                    quiet = 0.0
                    yield ()
        finally:
            self._watched[shard] -= 1
            if not self._watched[shard]:
                del self._watched[shard]

    async def _look(self, shard: int, position: int) -> list[Change]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Change))
            await cursor.execute(AFTER, {"shard": shard, "after": position, "limit": PAGE})
            found: list[Change] = await cursor.fetchall()
        return found

    def _wake(self) -> None:
        self._appended.set()
        self._appended = asyncio.Event()
