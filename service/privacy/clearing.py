"""Finds what the database holds of a conversation or of a user beside the log, whoever put it there, and
deletes it.

Tables are found by their columns and not by their names: a projection of another version of the code, a build
under way, a retired one, and whatever else is kept of conversations one day has rows to lose too.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection, errors, sql
from psycopg.rows import class_row

from projections.projection import Projection

KEPT: Final = frozenset({"events", "receipts", "redactions", "snapshots", "checkpoints", "reads", "parked"})
"""Not to be emptied like that: the log, what proves an erasure, and what is seen to by itself."""

FIND: Final = """
SELECT c.relname AS name, b.projection, b.generation, obj_description(c.oid, 'pg_class') AS told,
    bool_or(a.attname = 'conversation_id') AS of_conversations, bool_or(a.attname = 'user_id') AS of_users
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
LEFT JOIN build_tables AS b ON b.name = c.relname
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
GROUP BY c.oid, c.relname, b.projection, b.generation
HAVING bool_or(a.attname = 'shard') AND bool_or(a.attname IN ('conversation_id', 'user_id'))
ORDER BY c.relname"""
LIVE: Final = """
SELECT projection, generation FROM generations
WHERE stage = 'live' AND (projection, version) IN (
    SELECT * FROM unnest(%(names)s::text[], %(versions)s::text[]))"""
OF_BUILD: Final = re.compile(r"projection (\S+), generation (\d+)")

STAND_STILL: Final = """
SELECT position FROM checkpoints
WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(generation)s FOR UPDATE"""
"""A page that was read before the log was emptied is in the tables by then; the next one is read after it."""
UNPARK: Final = """
DELETE FROM parked WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(generation)s
    AND conversation_id = ANY(%(conversation_ids)s)"""
FORGET: Final = "DELETE FROM {} WHERE shard = %(shard)s AND conversation_id = ANY(%(conversation_ids)s)"
UNREAD: Final = """
UPDATE reads
SET user_id = NULL, reader = CASE WHEN reader <> user_id THEN reader END, request_id = NULL
WHERE shard = %(shard)s AND conversation_id = ANY(%(conversation_ids)s)"""
UNREAD_USER: Final = """
UPDATE reads
SET user_id = NULL, reader = CASE WHEN reader <> user_id THEN reader END, request_id = NULL
WHERE shard = %(shard)s AND user_id = %(user_id)s"""
FORGET_USER: Final = "DELETE FROM {} WHERE shard = %(shard)s AND user_id = %(user_id)s"
COUNT: Final = """
SELECT conversation_id, count(*) FROM {}
WHERE shard = %(shard)s AND conversation_id = ANY(%(conversation_ids)s) GROUP BY 1"""

Connection = AsyncConnection[Any]
Build = tuple[str, int]


class HoldingTable(Struct, frozen=True):
    """A table that holds something of conversations, or of users."""

    name: str
    projection: str | None
    generation: int | None
    told: str | None
    """Its comment: a process of the version before this one has left no more than that."""
    of_conversations: bool
    of_users: bool

    @property
    def build(self) -> Build | None:
        """Which projection's it is, and in which generation."""
        if self.projection is not None and self.generation is not None:
            return self.projection, self.generation
        found = OF_BUILD.fullmatch(self.told or "")
        return (found[1], int(found[2])) if found else None

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)


async def places(connection: Connection) -> list[HoldingTable]:
    cursor = connection.cursor(row_factory=class_row(HoldingTable))
    await cursor.execute(FIND.encode())
    return [place for place in await cursor.fetchall() if place.name not in KEPT]


async def clear(connection: Connection, shard: int, conversation_ids: Sequence[UUID]) -> None:
    """After the log was emptied, so that nobody can bring back what is deleted here."""
    given = {"shard": shard, "conversation_ids": list(conversation_ids)}
    builds: defaultdict[Build | None, list[HoldingTable]] = defaultdict(list)
    for place in await places(connection):
        if place.of_conversations:
            builds[place.build].append(place)
    for place in builds.pop(None, []):
        await delete(connection, FORGET, place, given)
    await clear_reads(connection, shard, conversation_ids)
    for build, tables in builds.items():
        await clear_build(connection, build, tables, given)


async def clear_build(
    connection: Connection, build: Build | None, tables: Iterable[HoldingTable], given: dict[str, Any]
) -> None:
    projection, generation = build or ("", 0)
    of_build = given | {"projection": projection, "generation": generation}
    async with connection.transaction():
        await connection.execute(STAND_STILL, of_build)
        for place in tables:
            await delete(connection, FORGET, place, given)
        await connection.execute(UNPARK, of_build)


async def clear_reads(connection: Connection, shard: int, conversation_ids: Sequence[UUID]) -> None:
    """That somebody read it stays on record; whose it was does not."""
    await connection.execute(UNREAD, {"shard": shard, "conversation_ids": list(conversation_ids)})


async def clear_user(connection: Connection, shard: int, user_id: str) -> None:
    """What is kept of the user apart from her conversations."""
    for place in await places(connection):
        if place.of_users and (place.build is None or not place.of_conversations):
            await delete(connection, FORGET_USER, place, {"shard": shard, "user_id": user_id})
    await connection.execute(UNREAD_USER, {"shard": shard, "user_id": user_id})


async def delete(connection: Connection, statement: str, place: HoldingTable, given: dict[str, Any]) -> None:
    try:
        async with connection.transaction():
            await connection.execute(sql.SQL(statement).format(place.identifier), given)
    except errors.UndefinedTable:
        return  # a replay has just dropped it


async def count_rows(
    connection: Connection, projections: Sequence[Projection], shard: int, conversation_ids: Sequence[UUID]
) -> dict[UUID, dict[str, int]]:
    """How many rows each conversation has in what is read now, by projection, and elsewhere."""
    live = await live_builds(connection, projections)
    counts: dict[UUID, dict[str, int]] = {each: {} for each in conversation_ids}
    given = {"shard": shard, "conversation_ids": list(conversation_ids)}
    for place in await places(connection):
        if not place.of_conversations or (place.build is not None and place.build not in live):
            continue
        name = f"{place.build[0] if place.build else place.name}_rows"
        for conversation_id, rows in await counted(connection, place, given):
            counts[conversation_id][name] = counts[conversation_id].get(name, 0) + rows
    return counts


async def live_builds(connection: Connection, projections: Sequence[Projection]) -> set[Build]:
    given = {
        "names": [projection.name for projection in projections],
        "versions": [projection.version for projection in projections],
    }
    return set(await (await connection.execute(LIVE.encode(), given)).fetchall())


async def counted(
    connection: Connection, place: HoldingTable, given: dict[str, Any]
) -> list[tuple[UUID, int]]:
    try:
        async with connection.transaction():
            cursor = await connection.execute(sql.SQL(COUNT).format(place.identifier), given)
            return await cursor.fetchall()
    except errors.UndefinedTable:
        return []
