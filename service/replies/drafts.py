"""Replies under way, as all processes see them: who produces which, its text so far, and until when.

The lease is by the database's clock, which is one for all processes. A draft is no history: what becomes of
it is in the log, and then the draft goes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

LEASE: Final = 10.0
"""Seconds that a process may be silent about a reply before another one ends it."""

ADOPTED: Final = "shard, conversation_id, reply_id, user_id, in_reply_to, is_fortune, content, stop_wanted"
COLUMNS: Final = f"{ADOPTED}, lease_until < now() AS is_orphan"
CLAIM: Final = """
INSERT INTO drafts
    (shard, conversation_id, reply_id, user_id, in_reply_to, is_fortune, process_id, lease_until, started_at)
VALUES (%(shard)s, %(conversation_id)s, %(reply_id)s, %(user_id)s, %(in_reply_to)s, %(is_fortune)s,
    %(process_id)s, now() + make_interval(secs => %(lease)s), now())
ON CONFLICT (shard, conversation_id) DO NOTHING"""
OF_CONVERSATION: Final = f"""
SELECT {COLUMNS} FROM drafts WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s"""  # noqa: S608
OF_USER: Final = """
SELECT count(*) FROM drafts WHERE shard = %(shard)s AND user_id = %(user_id)s AND lease_until >= now()"""
KEEP: Final = """
UPDATE drafts AS d
SET lease_until = now() + make_interval(secs => %(lease)s), content = COALESCE(given.content, d.content)
FROM unnest(%(conversations)s::uuid[], %(replies)s::text[], %(contents)s::bytea[])
    AS given (conversation_id, reply_id, content)
WHERE d.shard = %(shard)s AND d.conversation_id = given.conversation_id AND d.reply_id = given.reply_id
    AND d.process_id = %(process_id)s
RETURNING d.reply_id, d.stop_wanted"""
WANT_STOP: Final = """
UPDATE drafts SET stop_wanted = true
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND reply_id = %(reply_id)s"""
DROP: Final = """
DELETE FROM drafts
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND reply_id = %(reply_id)s"""
FORGET: Final = "DELETE FROM drafts WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s"
ORPHANS: Final = f"""
SELECT {COLUMNS} FROM drafts WHERE shard = ANY(%(shards)s::smallint[]) AND lease_until < now()"""  # noqa: S608
ADOPT: Final = f"""
UPDATE drafts SET process_id = %(process_id)s, lease_until = now() + make_interval(secs => %(lease)s)
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND reply_id = %(reply_id)s
    AND lease_until < now()
RETURNING {ADOPTED}"""  # noqa: S608


class Draft(Struct, frozen=True):
    shard: int
    conversation_id: UUID
    reply_id: str
    user_id: str
    in_reply_to: str
    is_fortune: bool
    content: bytes = b""
    stop_wanted: bool = False
    is_orphan: bool = False
    """Its process has been silent for longer than its lease."""

    @property
    def text(self) -> str:
        return self.content.decode()


class DraftUpdate(Struct, frozen=True):
    """What a process says once a second of a reply that it produces."""

    shard: int
    conversation_id: UUID
    reply_id: str
    content: bytes | None
    """None: as it was the last time."""


class Drafts:
    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection[Any]], process_id: UUID, lease: float = LEASE
    ) -> None:
        self._pool = pool
        self._mine = {"process_id": process_id, "lease": lease}

    async def claim(self, draft: Draft) -> bool:
        """Whether the conversation's one running reply is this one now."""
        given = {
            "shard": draft.shard,
            "conversation_id": draft.conversation_id,
            "reply_id": draft.reply_id,
            "user_id": draft.user_id,
            "in_reply_to": draft.in_reply_to,
            "is_fortune": draft.is_fortune,
        }
        return await self._execute(CLAIM, given) == 1

    async def of_conversation(self, shard: int, conversation_id: UUID) -> Draft | None:
        found = await self._fetch(OF_CONVERSATION, {"shard": shard, "conversation_id": conversation_id})
        return found[0] if found else None

    async def count(self, shard: int, user_id: str) -> int:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(OF_USER, {"shard": shard, "user_id": user_id})
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def keep(self, replies: Sequence[DraftUpdate]) -> Mapping[str, bool]:
        """Moves the leases on. Answers which of the replies are still this process's, and whether somebody
        wants each to stop."""
        by_shard: dict[int, list[DraftUpdate]] = defaultdict(list)
        for reply in replies:
            by_shard[reply.shard].append(reply)
        still: dict[str, bool] = {}
        async with self._pool.connection() as connection:
            for shard, kept in by_shard.items():
                given = {
                    "shard": shard,
                    "conversations": [each.conversation_id for each in kept],
                    "replies": [each.reply_id for each in kept],
                    "contents": [each.content for each in kept],
                }
                cursor = await connection.execute(KEEP, given | self._mine)
                still |= dict(await cursor.fetchall())
        return still

    async def want_stop(self, draft: Draft) -> None:
        """Whichever process produces it hears of it within a second."""
        await self._execute(WANT_STOP, name_of(draft))

    async def drop(self, draft: Draft) -> None:
        await self._execute(DROP, name_of(draft))

    async def forget(self, shard: int, conversation_id: UUID) -> None:
        """For a conversation that was erased: whoever produces a reply in it stops within a second."""
        await self._execute(FORGET, {"shard": shard, "conversation_id": conversation_id})

    async def orphans(self, shards: Sequence[int]) -> list[Draft]:
        return await self._fetch(ORPHANS, {"shards": list(shards)})

    async def adopt(self, draft: Draft) -> Draft | None:
        """As it is now that it is this process's to end; None if another process was quicker, or it lives."""
        found = await self._fetch(ADOPT, name_of(draft))
        return found[0] if found else None

    async def _execute(self, statement: str, given: dict[str, Any]) -> int:
        async with self._pool.connection() as connection:
            return (await connection.execute(statement.encode(), given | self._mine)).rowcount

    async def _fetch(self, statement: str, given: dict[str, Any]) -> list[Draft]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Draft))
            await cursor.execute(statement.encode(), given | self._mine)
            return await cursor.fetchall()


def name_of(draft: Draft) -> dict[str, Any]:
    return {
        "shard": draft.shard,
        "conversation_id": draft.conversation_id,
        "reply_id": draft.reply_id,
    }
