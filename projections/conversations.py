"""Each user's conversations, most recent activity first, and what they are linked to."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Link,
    MessageAdded,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    SessionEnded,
    SessionReopened,
)
from domain.recorded import Foreign, Recorded, Redacted, Unreadable
from domain.title import opening_of
from projections.reading.pages import JsonPage, json_page
from projections.reading.view import Query, View
from projections.rows.changes import Change, Delete, Insert, Update
from projections.rows.tables import Json, Small, Table


class Row(Struct, gc=False):
    shard: Small
    conversation_id: UUID
    user_id: str | None
    title: str | None
    """As it was given."""
    opening: str | None
    """What it is called without one: the beginning of the first thing that the user said."""
    started_at: datetime
    last_activity_at: datetime
    last_position: int
    message_count: int
    ended_at: datetime | None
    metadata: Json
    version: int
    ended_reason: Json | None = None
    anonymised: Json | None = None
    """Who asked for that, and why."""
    name: str | None = None
    """The caller's own id for it."""


class LinkRow(Struct, gc=False):
    shard: Small
    conversation_id: UUID
    kind: str
    target: str


CONVERSATIONS: Final = Table(
    name="conversations",
    row=Row,
    key=("shard", "conversation_id"),
    # Every message changes its conversation's row. PostgreSQL does that within the page, and without touching
    # an index, if there is room and no indexed column changes: so the list is found by a column that changes
    # once in 256 places, and only those of one stretch are sorted when it is read. In the same way those that
    # nobody has touched for long are found by a column that changes once a day.
    computed=(
        "stretch bigint GENERATED ALWAYS AS (last_position >> 8) STORED",
        "day date GENERATED ALWAYS AS ((last_activity_at AT TIME ZONE 'UTC')::date) STORED",
    ),
    indexes=("(shard, user_id, stretch DESC)", "(shard, day, conversation_id)"),
    storage="WITH (fillfactor = 70)",
    small=True,
)
LINKS: Final = Table(
    name="conversation_links",
    row=LinkRow,
    key=("shard", "conversation_id", "kind", "target"),
    indexes=("(shard, kind, target)",),
    small=True,
)

ONE_MORE: Final = {"message_count": 1}

encode_json: Final = msgspec.json.Encoder().encode


class Conversations:
    """Activity is what is said: the start, a message, its revision. Ending, reopening, renaming, rating,
    linking and removing a message leave a conversation at its place: tidying up does not turn the list over.

    Places are positions in the log, never times: clocks of several processes differ, and two things can
    happen at once.
    """

    name: ClassVar[str] = "conversations"
    with_append: ClassVar[bool] = True
    version: str = "4"
    tables: tuple[Table, ...] = (CONVERSATIONS, LINKS)

    def changes(self, recorded: Recorded) -> tuple[Change, ...]:
        key = (recorded.shard, recorded.conversation_id)
        match recorded.event:
            case MessageAdded() as added:
                fill = {"opening": lambda: opening_of(added)} if added.role == "user" else {}
                return (Update(CONVERSATIONS, key, activity(recorded), ONE_MORE, fill),)
            case ConversationStarted() as started:
                linked = (Insert(LINKS, LinkRow(*key, link.kind, link.target)) for link in started.links)
                return (Insert(CONVERSATIONS, row(recorded, started)), *linked)
            case Redacted(name="conversation_started"):
                return (Insert(CONVERSATIONS, row(recorded, ConversationStarted())),)
            case ConversationErased():
                return Delete(CONVERSATIONS, key), Delete(LINKS, key)
            case Foreign() | Unreadable():
                return ()
        return tuple(other_changes(recorded, key))


def other_changes(recorded: Recorded, key: tuple[int, UUID]) -> Iterable[Change]:
    put: dict[str, Any] = {"version": recorded.version}
    add: dict[str, int] = {}
    match recorded.event:
        case MessageRevised():
            put = activity(recorded)
        case MessageRemoved():
            add["message_count"] = -1
        case ConversationRenamed(title=title):
            put["title"] = title
        case MetadataChanged(metadata=metadata):
            put["metadata"] = as_json(metadata)
        case SessionEnded(reason=reason):
            said = None if reason is None else as_json(reason)
            put |= {"ended_at": recorded.recorded_at, "ended_reason": said}
        case SessionReopened():
            put |= {"ended_at": None, "ended_reason": None}
        case ConversationLinked(link=link):
            yield Insert(LINKS, LinkRow(*key, link.kind, link.target))
        case ConversationUnlinked(link=link):
            yield Delete(LINKS, link_key(key, link))
        case ConversationAnonymised(requested_by=requested_by, reason=reason):
            # What could lead to the person goes; the opening stays with the words that it is taken from.
            put |= {"user_id": recorded.user_id, "title": None, "metadata": "{}", "ended_reason": None}
            put["name"] = None
            put["anonymised"] = as_json({"requested_by": requested_by, "reason": reason})
            yield Delete(LINKS, key)
    yield Update(CONVERSATIONS, key, put, add)


def row(recorded: Recorded, started: ConversationStarted) -> Row:
    return Row(
        shard=recorded.shard,
        conversation_id=recorded.conversation_id,
        user_id=recorded.user_id,
        title=started.title,
        opening=None,
        started_at=recorded.recorded_at,
        last_activity_at=recorded.recorded_at,
        last_position=recorded.position,
        message_count=0,
        ended_at=None,
        metadata=as_json(started.metadata),
        version=recorded.version,
        name=started.name,
    )


def activity(recorded: Recorded) -> dict[str, Any]:
    return {
        "last_activity_at": recorded.recorded_at,
        "last_position": recorded.position,
        "version": recorded.version,
    }


def link_key(conversation: tuple[int, UUID], link: Link) -> tuple[Any, ...]:
    return (*conversation, link.kind, link.target)


def as_json(value: Any) -> str:
    return encode_json(value).decode()


class ListedConversation(Struct, frozen=True):
    """A conversation as it is listed; metadata is the bytes of its JSON."""

    conversation_id: UUID
    user_id: str | None
    title: str | None
    started_at: datetime
    last_activity_at: datetime
    last_position: int
    message_count: int
    ended_at: datetime | None
    metadata: bytes
    version: int
    ended_reason: bytes | None = None
    given_title: str | None = None
    """None where the title is only how the conversation begins."""
    name: str | None = None


class Idle(Struct, frozen=True):
    """A conversation that was left alone for long; metadata and anonymised are the bytes of their JSON."""

    conversation_id: UUID
    day: date
    user_id: str | None
    last_activity_at: datetime
    version: int
    metadata: bytes
    anonymised: bytes | None

    @property
    def place(self) -> "Place":
        return self.day, self.conversation_id


Place = tuple[date, UUID]
"""Where a conversation is among those of its shard that were left alone."""


class Linked(Struct, frozen=True):
    conversation_id: UUID
    kind: str
    target: str


SELECT: Final = """
SELECT c.conversation_id, c.user_id, COALESCE(c.title, c.opening) AS title, c.started_at, c.last_activity_at,
    c.last_position, c.message_count, c.ended_at, c.metadata, c.version, c.ended_reason,
    c.title AS given_title, c.name
FROM {conversations} AS c"""
SOURCE: Final = """
FROM {conversations} AS c"""
OF_USER: Final = """
WHERE c.shard = %(shard)s AND c.user_id = %(user_id)s"""
BEFORE: Final = """
    AND c.stretch <= %(before)s::bigint >> 8 AND c.last_position < %(before)s"""
ACTIVE: Final = """
    AND c.ended_at IS NULL"""
LINKED: Final = """
    AND EXISTS (
        SELECT FROM {conversation_links} AS l
        WHERE l.shard = c.shard AND l.shard = %(shard)s AND l.conversation_id = c.conversation_id
            AND l.kind = %(kind)s AND l.target = %(target)s)"""
TITLED: Final = """
    AND COALESCE(c.title, c.opening) ILIKE %(like)s"""
MOST_RECENT: Final = """
ORDER BY c.stretch DESC, c.last_position DESC LIMIT %(limit)s"""
BELOW: Final = """
    AND c.stretch <= page.lowest >> 8 AND c.last_position < page.lowest"""
LEAST_RECENT: Final = """
WHERE c.shard = %(shard)s AND c.user_id = %(user_id)s
    AND c.stretch >= %(after)s::bigint >> 8 AND c.last_position > %(after)s
ORDER BY c.stretch, c.last_position LIMIT %(limit)s"""

ONE: Final = Query(
    ListedConversation,
    SELECT + " WHERE c.shard = %(shard)s AND c.conversation_id = %(conversation_id)s",
    "last_position",
    short=True,
)
FROM_THE_OTHER_END: Final = Query(ListedConversation, SELECT + LEAST_RECENT, "last_position", short=True)
WITH_LINK: Final = Query(
    ListedConversation,
    SELECT
    + """
JOIN {conversation_links} AS l ON l.shard = c.shard AND l.conversation_id = c.conversation_id
WHERE c.shard = %(shard)s AND l.shard = %(shard)s AND l.kind = %(kind)s AND l.target = %(target)s""",
    "last_position DESC",
)
IDLE: Final = Query(
    Idle,
    """
SELECT conversation_id, day, user_id, last_activity_at, version, metadata, anonymised
FROM {conversations}
WHERE shard = %(shard)s AND day <= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date
    AND (day, conversation_id) > (%(day)s, %(after)s)
    AND last_activity_at <= CASE WHEN anonymised IS NULL
        THEN %(since)s::timestamptz ELSE %(anonymised_since)s::timestamptz END
ORDER BY day, conversation_id LIMIT %(limit)s""",
    "day, conversation_id",
)
LINKS_OF: Final = Query(
    Linked,
    """
SELECT conversation_id, kind, target FROM {conversation_links}
WHERE shard = %(shard)s AND conversation_id = ANY(%(conversation_ids)s)""",
    "conversation_id, kind, target",
)
END: Final = 2**63 - 1
"""Before this are the most recent."""
LONG_AGO: Final[Place] = (date.min, UUID(int=0))


class WantedConversations(Struct, frozen=True):
    """Which of a user's conversations: all, or only what is active, linked to this, or called like that."""

    active_only: bool = False
    link: Link | None = None
    title: str | None = None

    @property
    def filters(self) -> str:
        return (
            ACTIVE * self.active_only + LINKED * (self.link is not None) + TITLED * (self.title is not None)
        )

    @property
    def given(self) -> dict[str, Any]:
        kind, target = (None, None) if self.link is None else (self.link.kind, self.link.target)
        return {"kind": kind, "target": target, "like": containing(self.title or "")}


ALL: Final = WantedConversations()


@cache
def listed(filters: str) -> Query[ListedConversation]:
    sql = SELECT + OF_USER + filters + BEFORE + MOST_RECENT
    return Query(ListedConversation, sql, "last_position DESC", short=filters in ("", ACTIVE))


async def page(
    view: View, shard: int, user_id: str, limit: int, before: int = END, wanted: WantedConversations = ALL
) -> list[ListedConversation]:
    """A user's conversations, most recent activity first, before a `last_position`."""
    query = listed(wanted.filters)
    return await view.rows(query, shard, user_id=user_id, before=before, limit=limit, **wanted.given)


class ConversationPages:
    """The same pages as bytes: `json` is the SQL that makes of a row what a client is shown."""

    def __init__(self, json: str) -> None:
        self._json = json
        self._queries: dict[str, Query[JsonPage]] = {}

    async def of_user(
        self,
        view: View,
        shard: int,
        user_id: str,
        limit: int,
        before: int = END,
        wanted: WantedConversations = ALL,
    ) -> JsonPage:
        query = self.query(wanted.filters)
        return await view.one(query, shard, user_id=user_id, before=before, limit=limit, **wanted.given)

    def query(self, filters: str) -> Query[JsonPage]:
        if (known := self._queries.get(filters)) is None:
            known = self._queries[filters] = json_page(
                self._json,
                SOURCE,
                OF_USER + filters,
                BEFORE + MOST_RECENT,
                BELOW,
                place="c.last_position",
                highest_first=True,
                short=filters in ("", ACTIVE),
            )
        return known


async def page_after(
    view: View, shard: int, user_id: str, limit: int, after: int = 0
) -> list[ListedConversation]:
    """The other way round: least recent activity first, after a `last_position`."""
    return await view.rows(FROM_THE_OTHER_END, shard, user_id=user_id, after=after, limit=limit)


async def conversation(view: View, shard: int, conversation_id: UUID) -> ListedConversation | None:
    return await view.row(ONE, shard, conversation_id)


async def with_link(view: View, shard: int, link: Link) -> list[ListedConversation]:
    """Everybody's in this shard, for those who may see them all."""
    return await view.rows(WITH_LINK, shard, kind=link.kind, target=link.target)


async def idle(
    view: View,
    shard: int,
    since: datetime,
    anonymised_since: datetime | None,
    limit: int,
    after: Place = LONG_AGO,
) -> list[Idle]:
    """Those of everybody in this shard that were last active so long ago, the longest first, after a place.
    For those that are anonymised another time holds, or none at all."""
    return await view.rows(
        IDLE,
        shard,
        since=since,
        anonymised_since=anonymised_since,
        limit=limit,
        day=after[0],
        after=after[1],
    )


async def links_of(view: View, shard: int, conversation_ids: Sequence[UUID]) -> dict[UUID, list[Link]]:
    links: dict[UUID, list[Link]] = {conversation_id: [] for conversation_id in conversation_ids}
    for found in await view.rows(LINKS_OF, shard, conversation_ids=list(conversation_ids)):
        links[found.conversation_id].append(Link(found.kind, found.target))
    return links


def containing(text: str) -> str:
    """The pattern that finds this text, signs and all."""
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
