"""A conversation as it stood at one of its versions, made anew from the log.

The projections' own code makes the rows, of few events: those about the conversation itself, and of each
message on the page the last of each kind. So it takes no longer, and no more memory, where there are many
other messages; only their count is taken by going through them.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.errors import EventUnreadable
from domain.events import Link, MessageAdded
from domain.recorded import Recorded, Unreadable
from domain.title import opening_of
from projections.conversations import CONVERSATIONS, LINKS, Conversations, ListedConversation, Row
from projections.history import HISTORY, HistoryMessage
from projections.history import Row as MessageRow
from projections.projection import Projection
from projections.rows.changes import Fold
from service.store.past import NAMELESS, Past, Pool

END: Final = 2**63 - 1


async def conversation_at(
    pool: Pool, shard: int, conversation_id: UUID, version: int
) -> tuple[ListedConversation, list[Link]]:
    async with pool.connection() as connection:
        past = Past(connection, shard, conversation_id)
        folded, projection = Fold(), Conversations()
        async for recorded in past.of_itself(version):
            folded.take(projection.changes(readable(recorded)))
        row: Row = folded.tables[CONVERSATIONS.name].inserts[shard, conversation_id]
        row.version = version
        row.opening = await opening(past, version)
        row.message_count = await past.counted(version)
        row.last_activity_at, row.last_position = await past.last_said(version)
    links = folded.tables[LINKS.name].inserts.values() if LINKS.name in folded.tables else ()
    return as_listed(row), [Link(link.kind, link.target) for link in links]


async def opening(past: Past, version: int) -> str | None:
    async for recorded in past.said_first(version):
        if isinstance(recorded.event, MessageAdded) and (found := opening_of(recorded.event)):
            return found
    return None


def as_listed(row: Row) -> ListedConversation:
    return ListedConversation(
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
        None if row.ended_reason is None else row.ended_reason.encode(),
        row.title,
        row.name,
    )


class Stood(Struct, frozen=True):
    """The messages that a conversation had at one of its versions: all, or those of some kinds."""

    pool: Pool
    projection: Projection
    shard: int
    conversation_id: UUID
    version: int
    kinds: Collection[str] | None

    async def page(self, limit: int, before: int = END, after: int | None = None) -> list[HistoryMessage]:
        """Oldest first, as `history.page` gives those that are there now."""
        found: list[HistoryMessage] = []
        async with self.pool.connection() as connection:
            past = Past(connection, self.shard, self.conversation_id)
            while len(found) < limit:
                wanted = limit - len(found)
                if after is not None:
                    added = await past.added_after(after, self.version, wanted)
                else:
                    added = await past.added_before(before, self.version, wanted)
                if not added:
                    break
                stood = await self._messages(past, [message_id for message_id, _ in added])
                shown = [each for each in stood if self.kinds is None or each.kind in self.kinds]
                if after is not None:
                    found, after = found + shown, added[-1][1]
                else:
                    found, before = shown + found, added[-1][1]
        return found

    async def _messages(self, past: Past, message_ids: Sequence[str]) -> list[HistoryMessage]:
        events = await past.of_messages(message_ids, self.version)
        events += await past.of_topics(NAMELESS, self.version)
        folded = Fold()
        for recorded in sorted(events, key=lambda each: each.version):
            folded.take(self.projection.changes(readable(recorded)))
        rows = folded.tables[HISTORY.name].inserts.values()
        return [as_read(row) for row in sorted(rows, key=lambda row: int(row.position))]


def as_read(row: MessageRow) -> HistoryMessage:
    return HistoryMessage(
        row.message_id,
        row.conversation_id,
        row.position,
        row.version,
        row.user_id,
        row.role,
        row.kind,
        row.content.encode(),
        row.is_fortune or row.tagged_fortune,
        row.metadata.encode(),
        row.in_reply_to,
        row.status,
        None if row.payload is None else row.payload.encode(),
        row.tags.encode(),
        row.recorded_at,
        row.revised_at,
        row.rating,
        None if row.comment is None else row.comment.encode(),
    )


def readable(recorded: Recorded) -> Recorded:
    """How a conversation stood can not be told without one of its events."""
    if isinstance(recorded.event, Unreadable):
        raise EventUnreadable(
            topic=recorded.event.topic,
            why=recorded.event.error,
            conversation_id=recorded.conversation_id,
            version=recorded.version,
        )
    return recorded
