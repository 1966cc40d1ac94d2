"""What a command has stored, as its answer tells it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from domain.errors import ConversationIsErased
from domain.events import Event
from service.store.afterwards import once_stored
from service.store.append import Appended
from service.store.log import conversation_after
from service.store.repository import Changed


class Fact(Struct, frozen=True):
    """One of the events that an append has stored."""

    event: Event
    version: int
    recorded_at: datetime
    tags: Sequence[str] | None = None
    """What the taggers find in it; None where that has to be looked for."""


async def facts(pool: AsyncConnectionPool[Any], shard: int, changed: Changed) -> list[Fact]:
    """What a command has stored, whether now or when it was carried out before."""
    appended = changed.appended
    if appended is None:
        return []
    if changed.recorded_at is None:
        must_be_readable(changed)
        with once_stored():
            return await stored_before(pool, shard, appended)
    first = appended.version - appended.size + 1
    return [
        Fact(each.event, first + at, changed.recorded_at, each.tags) for at, each in enumerate(changed.events)
    ]


async def stored_before(pool: AsyncConnectionPool[Any], shard: int, appended: Appended) -> list[Fact]:
    """From the log, for what is read may have changed since."""
    since = appended.version - appended.size
    async with pool.connection() as connection:
        found = await conversation_after(connection, shard, appended.conversation_id, since, appended.size)
    return [Fact(each.event, each.version, each.recorded_at) for each in found]


def must_be_readable(changed: Changed) -> None:
    """What was answered before is answered again, unless it has been erased since."""
    if changed.conversation is None or changed.conversation.erased:
        raise ConversationIsErased
