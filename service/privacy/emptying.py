"""Empties events, as the only role that may: what they say and whom they name goes, every digest stays."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection, sql

from service.privacy.errors import MayNotErase
from service.store.connections import Database

ERASED: Final = "conversation_erased"

REDACT: Final = """
UPDATE events
SET state = CASE WHEN topic = %(erased)s THEN state END,
    state_salt = CASE WHEN topic = %(erased)s THEN state_salt END,
    message_id = NULL, user_id = NULL, actor = NULL, request_id = NULL, person_salt = NULL
WHERE shard = %(shard)s AND conversation_id = ANY(%(conversation_ids)s)
    AND (person_salt IS NOT NULL OR (state IS NOT NULL AND topic <> %(erased)s))"""


@asynccontextmanager
async def as_eraser(connection: AsyncConnection[Any], database: Database) -> AsyncIterator[None]:
    """A transaction in the role that may empty events; only until it ends."""
    check_eraser(database)
    async with connection.transaction():
        if database.eraser is not None:
            await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(database.eraser)))
        yield


def check_eraser(database: Database) -> None:
    """Before anything is begun that could not be carried out."""
    if database.role is not None and database.eraser is None:
        raise MayNotErase


async def redact(
    connection: AsyncConnection[Any], database: Database, shard: int, conversation_ids: Sequence[UUID]
) -> None:
    """Of conversations that were erased: of the event that says so nothing but the person goes."""
    given = {"shard": shard, "conversation_ids": list(conversation_ids), "erased": ERASED}
    async with as_eraser(connection, database):
        await connection.execute(REDACT, given)
