"""Finds the conversations that a wish is about, as the log has them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from projections import conversations
from service.hansard import Hansard
from service.privacy.wishes import Wish

OF_USER: Final = """
SELECT shard, conversation_id FROM events
WHERE shard = %(shard)s AND version = 1 AND user_id = %(user_id)s ORDER BY 2 LIMIT %(limit)s"""
STANDING: Final = """
SELECT given.conversation_id, first.user_id, last.topic, last.version, last.position, last.user_id AS now_of
FROM unnest(%(conversation_ids)s::uuid[]) AS given (conversation_id)
CROSS JOIN LATERAL (
    SELECT e.user_id FROM events AS e
    WHERE e.shard = %(shard)s AND e.conversation_id = given.conversation_id AND e.version = 1) AS first
CROSS JOIN LATERAL (
    SELECT e.topic, e.version, e.position, e.user_id FROM events AS e
    WHERE e.shard = %(shard)s AND e.conversation_id = given.conversation_id
    ORDER BY e.version DESC LIMIT 1) AS last"""

Key = tuple[int, UUID]
"""An id is one conversation's within its shard; callers may choose ids."""


class OwnedTip(Struct, frozen=True):
    """Whose a conversation is, and how it ends so far."""

    conversation_id: UUID
    user_id: str | None
    """Of its first event: NULL once that was emptied."""
    topic: str
    version: int
    position: int
    now_of: str | None

    @property
    def is_erased(self) -> bool:
        return self.topic == "conversation_erased"


async def next_of(
    hansard: Hansard, connection: AsyncConnection[Any], shard: int, wish: Wish, limit: int
) -> Sequence[Key]:
    """Some that are still to be done. Those that are done are not found any more."""
    match wish.kind:
        case "conversation" if wish.conversation_id is not None:
            return [(shard, wish.conversation_id)]
        case "user":
            given = {"shard": shard, "user_id": wish.user_id, "limit": limit}
            return await (await connection.execute(OF_USER.encode(), given)).fetchall()
        case "link" if wish.link is not None:
            view = hansard.views["conversations"]
            if wish.user_id is not None:
                linked = conversations.WantedConversations(link=wish.link)
                page = await conversations.page(view, shard, wish.user_id, limit, wanted=linked)
                return [(shard, row.conversation_id) for row in page]
            for each in range(hansard.store.shards):
                if found := await conversations.with_link(view, each, wish.link):
                    return [(each, row.conversation_id) for row in found[:limit]]
    return []


async def is_anything_left(
    hansard: Hansard, connection: AsyncConnection[Any], shard: int, wish: Wish
) -> bool:
    """Whether something was recorded since it was done."""
    if wish.conversation_id is None:
        return bool(await next_of(hansard, connection, shard, wish, 1))
    found = (await standing(connection, shard, [wish.conversation_id])).get(wish.conversation_id)
    return found is not None and not found.is_erased


async def standing(
    connection: AsyncConnection[Any], shard: int, conversation_ids: Sequence[UUID]
) -> dict[UUID, OwnedTip]:
    cursor = connection.cursor(row_factory=class_row(OwnedTip))
    await cursor.execute(STANDING.encode(), {"shard": shard, "conversation_ids": list(conversation_ids)})
    return {each.conversation_id: each for each in await cursor.fetchall()}
