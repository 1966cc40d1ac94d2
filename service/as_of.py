"""A conversation as it stood at one of its versions: what is listed of it, made anew from the log."""

from typing import Any, Final
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from domain.events import Link
from projections.changes import Fold
from projections.conversations import CONVERSATIONS, LINKS, Conversation, Conversations, Row
from service.store.log import conversation_after

PAGE: Final = 1_000


async def conversation_at(
    pool: AsyncConnectionPool[Any], shard: int, conversation_id: UUID, version: int
) -> tuple[Conversation, list[Link]]:
    folded, projection, reached = Fold(), Conversations(), 0
    while reached < version:
        limit = min(PAGE, version - reached)
        async with pool.connection() as connection:
            page = await conversation_after(connection, shard, conversation_id, reached, limit)
        if not page:
            break
        for recorded in page:
            folded.take(projection.changes(recorded))
        reached = page[-1].version
    row = folded.tables[CONVERSATIONS.name].inserts[shard, conversation_id]
    links = folded.tables[LINKS.name].inserts.values() if LINKS.name in folded.tables else ()
    return as_listed(row), [Link(link.kind, link.target) for link in links]


def as_listed(row: Row) -> Conversation:
    return Conversation(
        row.conversation_id,
        row.user_id,
        row.opening if row.title is None else row.title,
        row.started_at,
        row.last_activity_at,
        row.last_position,
        row.message_count,
        row.ended_at,
        row.metadata.encode(),
        row.version,
    )
