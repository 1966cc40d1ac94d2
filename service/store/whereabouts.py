"""Where a conversation lies, and whose it is, for whoever knows no more of it than its id."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection, Connection

from projections.rows.silence import is_part_away
from service.store.errors import ShardOutOfReach
from service.store.reach import Reach

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


async def whereabouts(connection: AsyncConnection[Any], reach: Reach, conversation_id: UUID) -> Whose | None:
    """Callers may choose ids, so one id can lie in several shards: the first of them is meant. A lane that
    cannot be reached matters only where the others do not have it."""
    found: list[Whose] = []
    away: psycopg.Error | None = None
    for lane in reach.lanes():
        try:
            cursor = await connection.execute(WHEREABOUTS, given(lane, conversation_id))
            found += [Whose(*each) for each in await cursor.fetchall()]
        except psycopg.Error as error:
            if not is_part_away(connection, error):
                raise
            away = error
    if found:
        return min(found, key=lambda each: each.shard)
    if away is not None or not reach.is_whole:
        raise ShardOutOfReach(retry_after=1) from away
    return None


def all_whereabouts(connection: Connection[Any], shards: int, conversation_id: UUID) -> list[Whose]:
    found = connection.execute(WHEREABOUTS, given(range(shards), conversation_id)).fetchall()
    return [Whose(*each) for each in found]


def given(shards: Sequence[int], conversation_id: UUID) -> dict[str, object]:
    return {"shards": list(shards), "conversation_id": conversation_id}
