"""Reads of one conversation's log what is needed to know how it stood, and leaves the rest of it unread.

Every read is bounded: a page at a time, and of a message only the last event of each kind, since each says
all that the ones before it said.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from domain.errors import ConversationNotFound
from domain.events import ConversationErased
from domain.recorded import Foreign, Recorded, Redacted, Unreadable
from service.store.codec import topic_of, topics
from service.store.log import COLUMNS, recorded

END: Final = 2**63 - 1
PAGE: Final = 1_000
PAGE_BYTES: Final = 4 * 1024 * 1024

Pool = AsyncConnectionPool[AsyncConnection[Any]]


ADDED: Final = topics("message_added")
REMOVED: Final = topics("message_removed")
SAID: Final = topics("message_added", "message_revised")
STARTED: Final = topics("conversation_started")
OF_MESSAGE: Final = topics(
    "message_added", "message_revised", "message_rated", "message_removed", "reply_failed"
)
ERASED: Final = topics("conversation_erased")
NAMELESS: Final = topics("conversation_anonymised", "conversation_erased")

ONE: Final = "shard = %(shard)s AND conversation_id = %(conversation_id)s"
OF_ONE: Final = f"FROM events WHERE {ONE}"
BOUNDS: Final = f"""
SELECT first.recorded_at, last.version, last.topic, last.recorded_at
FROM (SELECT recorded_at {OF_ONE} ORDER BY version LIMIT 1) AS first,
    (SELECT version, topic, recorded_at {OF_ONE} ORDER BY version DESC LIMIT 1) AS last"""  # noqa: S608
VERSION_AT: Final = f"""
SELECT version {OF_ONE} AND recorded_at <= %(at)s ORDER BY version DESC LIMIT 1"""
TIME_OF: Final = f"SELECT recorded_at {OF_ONE} AND version = %(version)s"
EVENTS: Final = f"""
SELECT {COLUMNS} FROM (
    SELECT {COLUMNS}, sum(octet_length(state)) OVER (
        ORDER BY version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (SELECT {COLUMNS} {OF_ONE} AND version > %(after)s ORDER BY version LIMIT %(limit)s) AS page
) AS measured
WHERE before IS NULL OR before < %(bytes)s
ORDER BY version"""  # noqa: S608
OF_ITSELF: Final = f"""
SELECT {COLUMNS} {OF_ONE} AND version > %(after)s AND version <= %(until)s
    AND topic <> ALL(%(others)s)
ORDER BY version LIMIT %(limit)s"""
OF_TOPICS: Final = f"""
SELECT {COLUMNS} {OF_ONE} AND version <= %(until)s AND topic = ANY(%(topics)s) ORDER BY version"""
OF_MESSAGES: Final = f"""
SELECT DISTINCT ON (message_id, topic) {COLUMNS}
{OF_ONE} AND message_id = ANY(%(message_ids)s) AND version <= %(until)s
ORDER BY message_id, topic, version DESC"""
FIRST_SAID: Final = f"""
SELECT {COLUMNS} {OF_ONE} AND version > %(after)s AND version <= %(until)s
    AND topic = ANY(%(added)s) AND state IS NOT NULL
ORDER BY version LIMIT %(limit)s"""
# Positions and versions of one conversation grow together. Where the position is that of one of its events,
# as in the cursors of its own pages, its version leads straight there.
SAID_ONCE: Final = f"""
SELECT message_id, position {OF_ONE} AND version <= %(until)s
    AND topic = ANY(%(added)s) AND state IS NOT NULL"""
PLACE: Final = f"(SELECT version {OF_ONE} AND position = %(place)s)"
ADDED_BEFORE: Final = f"""
{SAID_ONCE} AND position < %(place)s AND version < COALESCE({PLACE}, {END})
ORDER BY version DESC LIMIT %(limit)s"""
ADDED_AFTER: Final = f"""
{SAID_ONCE} AND position > %(place)s AND version > COALESCE({PLACE}, 0)
ORDER BY version LIMIT %(limit)s"""
COUNTED: Final = f"""
SELECT count(*) FILTER (WHERE topic = ANY(%(added)s)) - count(*) FILTER (WHERE topic = ANY(%(removed)s))
{OF_ONE} AND version <= %(until)s AND message_id IS NOT NULL AND state IS NOT NULL"""
LAST_SAID: Final = f"""
SELECT recorded_at, position {OF_ONE} AND version <= %(until)s
    AND (topic = ANY(%(said)s) AND state IS NOT NULL OR topic = ANY(%(started)s))
ORDER BY version DESC LIMIT 1"""
LAST_OF_EACH: Final = """
SELECT l.shard, given.conversation_id, (
    SELECT e.topic FROM events AS e
    WHERE e.shard = l.shard AND e.shard = ANY(%(shards)s::smallint[])
        AND e.conversation_id = given.conversation_id
    ORDER BY e.version DESC LIMIT 1)
FROM lanes AS l
JOIN unnest(%(shards)s::smallint[], %(conversation_ids)s::uuid[]) AS given (shard, conversation_id)
    ON given.shard = l.shard
WHERE l.shard = ANY(%(shards)s::smallint[])"""


class Bounds(Struct, frozen=True):
    """Where a conversation begins and ends."""

    started_at: datetime
    version: int
    topic: str
    """Of the last event."""
    changed_at: datetime

    @property
    def erased(self) -> bool:
        return self.topic in ERASED


class Past:
    """Of one conversation, over one connection."""

    def __init__(self, connection: AsyncConnection[Any], shard: int, conversation_id: UUID) -> None:
        self._connection = connection
        self._one = {"shard": shard, "conversation_id": conversation_id}

    async def bounds(self) -> Bounds:
        row = await self._row(BOUNDS)
        if row is None:
            raise ConversationNotFound
        return Bounds(*row)

    async def version_at(self, at: datetime) -> int | None:
        """The last event that is not later. Clocks differ, versions do not: what comes before it counts."""
        row = await self._row(VERSION_AT, at=at)
        return int(row[0]) if row else None

    async def time_of(self, version: int) -> datetime:
        row = await self._row(TIME_OF, version=version)
        if row is None:
            raise ConversationNotFound
        found: datetime = row[0]
        return found

    async def events(self, after: int, limit: int) -> list[Recorded]:
        """The next ones, but no more than a few megabytes at once."""
        return await self._recorded(EVENTS, after=after, limit=limit, bytes=PAGE_BYTES)

    async def of_itself(self, until: int) -> AsyncIterator[Recorded]:
        """All that is not about a single message: titles, links, metadata, ends."""
        after = 0
        while page := await self._recorded(
            OF_ITSELF, after=after, until=until, others=OF_MESSAGE, limit=PAGE
        ):
            for each in page:
                yield each
            if len(page) < PAGE:
                return
            after = page[-1].version

    async def of_messages(self, message_ids: Sequence[str], until: int) -> list[Recorded]:
        """Of each message the last event of each kind, in order: together they say all there is to say."""
        if not message_ids:
            return []
        found = await self._recorded(OF_MESSAGES, message_ids=list(message_ids), until=until)
        return sorted(found, key=lambda each: each.version)

    async def of_topics(self, names: Sequence[str], until: int) -> list[Recorded]:
        return await self._recorded(OF_TOPICS, topics=list(names), until=until)

    async def said_first(self, until: int) -> AsyncIterator[Recorded]:
        """Messages from the first one on, whatever became of them. One is mostly enough."""
        after, limit = 0, 4
        while page := await self._recorded(FIRST_SAID, after=after, until=until, added=ADDED, limit=limit):
            for each in page:
                yield each
            after, limit = page[-1].version, min(limit * 4, PAGE)

    async def added_before(self, place: int, until: int, limit: int) -> list[tuple[str, int]]:
        """The messages that had been added at a version, newest first, before a position, and theirs."""
        return await self._added(ADDED_BEFORE, place, until, limit)

    async def added_after(self, place: int, until: int, limit: int) -> list[tuple[str, int]]:
        return await self._added(ADDED_AFTER, place, until, limit)

    async def counted(self, until: int) -> int:
        row = await self._row(COUNTED, until=until, added=ADDED, removed=REMOVED)
        return int(row[0]) if row else 0

    async def last_said(self, until: int) -> tuple[datetime, int]:
        """When, and where in the log."""
        row = await self._row(LAST_SAID, until=until, said=SAID, started=STARTED)
        if row is None:
            raise ConversationNotFound
        return row[0], row[1]

    async def _added(self, query: str, place: int, until: int, limit: int) -> list[tuple[str, int]]:
        rows = await self._rows(query, place=place, until=until, limit=limit, added=ADDED)
        return [(row[0], row[1]) for row in rows]

    async def _recorded(self, query: str, **given: Any) -> list[Recorded]:
        return [recorded(row) for row in await self._rows(query, **given)]

    async def _row(self, query: str, **given: Any) -> tuple[Any, ...] | None:
        rows = await self._rows(query, **given)
        return rows[0] if rows else None

    async def _rows(self, query: str, **given: Any) -> list[tuple[Any, ...]]:
        return await rows(self._connection, query, self._one | given)


async def rows(
    connection: AsyncConnection[Any], query: str, given: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(query.encode(), given)
    return await cursor.fetchall()


async def redactions(
    connection: AsyncConnection[Any], events: Sequence[Recorded]
) -> dict[tuple[int, UUID], Literal["erased", "anonymised"]]:
    """What empties the events of each of these conversations, if any of them are empty: its last event is its
    erasure, or it was the anonymising."""
    keys = list(dict.fromkeys((each.shard, each.conversation_id) for each in events))
    if not keys:
        return {}
    given = {"shards": [shard for shard, _ in keys], "conversation_ids": [each for _, each in keys]}
    found = await rows(connection, LAST_OF_EACH, given)
    return {(shard, one): "erased" if topic in ERASED else "anonymised" for shard, one, topic in found}


def emptied(recorded: Recorded, erased: bool) -> Recorded:
    """From the commit of its erasure on nobody is told what a conversation held, though the log may be about
    to be emptied only now."""
    if not erased or isinstance(recorded.event, ConversationErased | Redacted | Foreign | Unreadable):
        return recorded
    return replace(recorded, event=Redacted(topic=topic_of(type(recorded.event))), user_id=None, actor=None)
