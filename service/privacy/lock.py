"""A connection of its own for one erasure, which nobody else carries out meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from zlib import crc32

from psycopg import AsyncConnection

from service.store.connections import Database

OURS: Final = 0x6572  # "er"
LOCK: Final = "SELECT pg_advisory_lock(%(ours)s::integer, %(key)s::integer)"
TRY: Final = "SELECT pg_try_advisory_lock(%(ours)s::integer, %(key)s::integer)"


@asynccontextmanager
async def alone_with(database: Database, subject: bytes) -> AsyncIterator[AsyncConnection[Any]]:
    """Waits for whoever is at it. The connection holds the lock, not a transaction: if the process is killed,
    the lock goes with it."""
    async with connected(database) as connection:
        await connection.execute(LOCK, name_of(subject))
        yield connection


@asynccontextmanager
async def if_alone_with(database: Database, subject: bytes) -> AsyncIterator[AsyncConnection[Any] | None]:
    """None where somebody is at it."""
    async with connected(database) as connection:
        row = await (await connection.execute(TRY, name_of(subject))).fetchone()
        yield connection if row and row[0] else None


@asynccontextmanager
async def connected(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(
        database.conninfo, autocommit=True, application_name="hansard eraser"
    ) as connection:
        yield connection


def name_of(subject: bytes) -> dict[str, int]:
    """PostgreSQL's integers have a sign. Two subjects of one name wait for each other, no more."""
    return {"ours": OURS, "key": crc32(subject) - 2**31}
