"""How a projection is read without missing what was acknowledged before, whichever process took it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection, sql
from psycopg.errors import UndefinedTable
from psycopg.types.string import ByteaBinaryLoader
from psycopg_pool import AsyncConnectionPool

from projections.errors import ASIDE, ConversationIsParked, ProjectionBehind, ProjectionNotBuilt
from projections.projection import Projection
from projections.reading.prepared import Statement, fetch
from projections.rows.tables import raw

T = TypeVar("T")

LIVE: Final = Statement("""
SELECT generation FROM generations
WHERE projection = %(projection)s AND version = %(version)s AND stage = 'live'""")

# One statement is one snapshot: what it says of the checkpoint is true of the rows that it gives. The last
# position is looked up only where the projection is not written with the append.
IN_STEP: Final = """
SELECT mark.*, page.*
FROM (
    SELECT c.position AS reached, p.error,
        CASE WHEN c.position IS NOT NULL
            THEN (SELECT max(e.position) FROM events AS e WHERE e.shard = %(shard)s) END AS head
    FROM checkpoints AS c
    LEFT JOIN parked AS p ON p.shard = c.shard AND p.shard = %(shard)s
        AND p.projection = c.projection AND p.generation = c.generation
        AND p.conversation_id = %(conversation_id)s
    WHERE c.shard = %(shard)s AND c.projection = {projection} AND c.generation = {generation}
) AS mark
LEFT JOIN LATERAL ({query}) AS page ON true
ORDER BY {order}"""

MARKS: Final = 3
"""The columns of `mark`; the ones after it are the query's."""

NO_CONVERSATION: Final = UUID(int=0)
"""Stands for none: an unknown value would say of a join that it finds nothing, and then not where it would
look."""

SHORT: Final = 200
"""The largest limit with which a read is short."""
FIRST_POLL: Final = 0.01
LAST_POLL: Final = 0.1


class Query(Struct, Generic[T], frozen=True, eq=False):
    """A SELECT on one shard of a projection's tables, and the Struct that its columns make.

    The SQL names tables in braces. Its first column is never NULL, so that no row can be told from a row.
    """

    row: type[T]
    sql: str
    order: str
    """The SELECT's own order once more, of its columns: joining it to the mark promises none."""
    short: bool = False
    """Whether it is as quick whatever there is: it finds by key, and its limit says how much. Then it may go
    over the connections that all requests share."""


class Headway:
    """Wakes whoever waits for a projection when a follower has come further.

    It is only a hint and may never come, so nobody waits for it alone. `moved` belongs to the event loop of
    those who wait: from another thread, `loop.call_soon_threadsafe(progress.moved)`, if anybody does.
    """

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self._waiting = 0

    @property
    def is_awaited(self) -> bool:
        return self._waiting > 0

    def moved(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._next.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1


Fetch = Callable[[Statement, Mapping[str, Any]], Awaitable[list[tuple[Any, ...]]]]


class View:
    """Reads the live generation of one projection.

    The pool's connections are in autocommit mode and went through `configure`. No connection is held while a
    read waits for the follower. `shared` asks over connections that others share; without it, everything goes
    over the pool's.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        projection: Projection,
        progress: Headway | None = None,
        patience: float = 2.0,
        shared: Fetch | None = None,
    ) -> None:
        self.projection = projection
        self._pool = pool
        self._shared = shared
        self._progress = progress or Headway()
        self._patience = patience
        self._generation: int | None = None
        self._statements: dict[tuple[Query[Any], int], Statement] = {}

    async def rows(
        self, query: Query[T], shard: int, conversation_id: UUID = NO_CONVERSATION, **given: Any
    ) -> list[T]:
        """Every event of the shard that was in the log when this was called is in what it gives."""
        found = await self._read(query, given | {"shard": shard, "conversation_id": conversation_id})
        row = query.row
        return [row(*values[MARKS:]) for values in found if values[MARKS] is not None]

    async def row(
        self, query: Query[T], shard: int, conversation_id: UUID = NO_CONVERSATION, **given: Any
    ) -> T | None:
        rows = await self.rows(query, shard, conversation_id, **given)
        return rows[0] if rows else None

    async def one(
        self, query: Query[T], shard: int, conversation_id: UUID = NO_CONVERSATION, **given: Any
    ) -> T:
        """Of a SELECT that always has a row."""
        (row,) = await self.rows(query, shard, conversation_id, **given)
        return row

    async def _read(self, query: Query[Any], given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        deadline = monotonic() + self._patience
        poll = FIRST_POLL
        wanted: int | None = None
        while True:
            found = await self._attempt(query, given)
            reached, error, head = found[0][:MARKS]
            if error == ASIDE:
                return []
            if error is not None:
                raise ConversationIsParked(projection=self.projection.name, error=error)
            if reached is None:
                return found
            # What is appended while this waits is not waited for, or a busy shard would never be read.
            wanted = wanted if wanted is not None else head or 0
            if reached >= wanted:
                return found
            if monotonic() >= deadline:
                raise ProjectionBehind(projection=self.projection.name, behind=wanted - reached)
            await self._progress.wait(poll)
            poll = min(poll * 1.5, LAST_POLL)

    async def _attempt(self, query: Query[Any], given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if self._shared is not None and query.short and given.get("limit", 0) <= SHORT:
            return await self._found(query, given, self._shared)
        async with self._pool.connection() as connection:
            return await self._found(query, given, partial(fetch, connection))

    async def _found(self, query: Query[Any], given: Mapping[str, Any], ask: Fetch) -> list[tuple[Any, ...]]:
        """A generation without checkpoints is not live any more, and its tables may be gone."""
        while True:
            if (before := self._generation) is None:
                before = self._generation = await self._live(ask, given)
            try:
                if found := await ask(self._statement(query, before), given):
                    return found
            except UndefinedTable:
                pass
            self._generation = await self._live(ask, given)
            if self._generation == before:
                raise self._not_built()

    async def _live(self, ask: Fetch, given: Mapping[str, Any]) -> int:
        """Asked where the rows are asked for: over the connections of the same shard."""
        projection = self.projection
        found = await ask(LIVE, {**given, "projection": projection.name, "version": projection.version})
        if not found:
            raise self._not_built()
        return int(found[0][0])

    def _not_built(self) -> ProjectionNotBuilt:
        return ProjectionNotBuilt(projection=self.projection.name, version=self.projection.version)

    def _statement(self, query: Query[Any], generation: int) -> Statement:
        """Of one generation after another, each is put together once."""
        if (known := self._statements.get((query, generation))) is None:
            tables = {table.name: table.physical(generation) for table in self.projection.tables}
            composed = raw(IN_STEP).format(
                projection=sql.Literal(self.projection.name),
                generation=sql.Literal(generation),
                query=raw(query.sql).format(**tables),
                order=raw(query.order),
            )
            known = self._statements[query, generation] = Statement(composed.as_string(None))
        return known


async def configure(connection: AsyncConnection[Any]) -> None:
    """What a pool has to do to each connection for a View: JSON stays the bytes that it is."""
    await connection.set_autocommit(True)
    connection.adapters.register_loader("json", ByteaBinaryLoader)
