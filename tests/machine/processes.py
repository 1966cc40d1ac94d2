"""One process of Hansard, as far as the log goes: a writer, a memory, a follower, and what reads."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from domain.recorded import Recorded
from projections.following.follower import Follower
from projections.following.parking import skipped
from projections.generations import live
from projections.projection import Projection
from projections.reading.view import Headway, View
from service.hansard import pool_of
from service.store.connections import Database
from service.store.log import COLUMNS, DatabaseLog, recorded
from service.store.repository import Repository
from service.store.store import Store
from tests.cluster import TOPOLOGY
from tests.machine.plain import Key, Parked, Row

LOG = DatabaseLog(TOPOLOGY)
EVERYTHING = f"SELECT {COLUMNS} FROM events ORDER BY shard, position"  # noqa: S608


class Process:
    def __init__(self, dsn: str, projections: Sequence[Projection]) -> None:
        """Projections that it does not get, it does not know: its code is older."""
        database = Database.open(dsn)
        self.projections = {each.name: each for each in projections}
        self.pool = pool_of(database, 4)
        self.store = Store(database, projections)
        self.follower = Follower(partial(database.connect, "follower"), LOG, projections)
        self.repository = Repository(self.store, self.pool)

    async def open(self) -> None:
        await self.pool.open(wait=True)
        self.store.start()

    async def close(self) -> None:
        await asyncio.to_thread(self.store.close)
        await self.repository.close()
        await self.pool.close()

    def view(self, projection: str, patience: float) -> View:
        return View(self.pool, self.projections[projection], Headway(), patience)


def whole_log(connection: Connection[Any]) -> list[Recorded]:
    with connection.cursor(binary=True) as cursor:
        return [recorded(row) for row in cursor.execute(EVERYTHING.encode())]


def parked_of(connection: Connection[Any], projection: Projection) -> Parked:
    generation = live(connection, projection)
    assert generation
    return skipped(connection, generation, LOG.shards(connection))


def stored_rows(connection: Connection[Any], projection: Projection) -> Mapping[str, Mapping[Key, Row]]:
    """What the live build holds: each table's rows by key, JSON as what it means."""
    generation = live(connection, projection)
    assert generation
    return {
        table.name: by_key(
            table.key,
            connection.cursor(row_factory=dict_row).execute(
                f"SELECT {', '.join(table.columns)} FROM {table.name}_g{generation.number}".encode()  # noqa: S608
            ),
        )
        for table in projection.tables
    }


def by_key(key: Sequence[str], rows: Iterable[Row]) -> dict[Key, Row]:
    return {tuple(row[column] for column in key): row for row in rows}


class Stopped(BaseException):
    """Somebody ends a replay, as with Ctrl-C."""


class ShortLog(DatabaseLog):
    """A log whose reader is stopped after so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def _look(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            raise Stopped

    def heads(self, connection: Connection[Any]) -> dict[int, int]:
        self._look()
        return super().heads(connection)

    def page(self, connection: Connection[Any], shard: int, after: int, limit: int) -> Generator[Recorded]:
        self._look()
        return super().page(connection, shard, after, limit)

    def at(self, connection: Connection[Any], shard: int, positions: Sequence[int]) -> list[Recorded]:
        self._look()
        return super().at(connection, shard, positions)

    def lock(self, connection: Connection[Any], shards: Iterable[int]) -> None:
        self._look()
        super().lock(connection, shards)


Connect = Callable[[], psycopg.Connection[Any]]
