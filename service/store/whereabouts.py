"""Where a conversation lies, and whose it is, for whoever knows no more of it than its id."""

from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection, Connection

WHEREABOUTS: Final = b"""
SELECT l.shard, (
    SELECT e.user_id FROM events AS e
    WHERE e.shard = l.shard AND e.shard = ANY(%(shards)s) AND e.conversation_id = %(conversation_id)s
    ORDER BY e.version LIMIT 1)
FROM lanes AS l
WHERE l.shard = ANY(%(shards)s) AND EXISTS (
    SELECT FROM events AS e
    WHERE e.shard = l.shard AND e.shard = ANY(%(shards)s) AND e.conversation_id = %(conversation_id)s)
ORDER BY l.shard"""


class Whose(Struct, frozen=True):
    shard: int
    user_id: str | None
    """Nobody's, once it is erased."""


async def whereabouts(connection: AsyncConnection[Any], shards: int, conversation_id: UUID) -> Whose | None:
    """Callers may choose ids, so one id can lie in several shards: the first of them is meant."""
    found = await (await connection.execute(WHEREABOUTS, given(shards, conversation_id))).fetchone()
    return Whose(*found) if found else None


def all_whereabouts(connection: Connection[Any], shards: int, conversation_id: UUID) -> list[Whose]:
    found = connection.execute(WHEREABOUTS, given(shards, conversation_id)).fetchall()
    return [Whose(*each) for each in found]


def given(shards: int, conversation_id: UUID) -> dict[str, object]:
    return {"shards": list(range(shards)), "conversation_id": conversation_id}
