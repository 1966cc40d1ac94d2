"""The record itself: what happened, to one conversation and to all; whether it holds; who has read it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.content import LIMITS, check_name
from domain.errors import ConversationNotFound
from service.access.actors import KINDS
from service.api.answering import examples
from service.api.answering.cursors import LARGEST, decode, encode
from service.api.answering.documented import (
    A_CONVERSATION,
    A_TIME,
    ConversationInPath,
    name,
    names,
    parameter,
)
from service.api.answering.errors import BadCursor
from service.api.answering.examples import gives
from service.api.answering.including import Include, kinds_shown, wants_items
from service.api.answering.paging import Cursor, Limit
from service.api.answering.sse import EventStream
from service.api.answering.times import time_in
from service.api.answering.wire import answer, moment
from service.api.asking.asking import Asking
from service.api.asking.auth import needing
from service.api.asking.room import STREAMS
from service.api.asking.seeing import seen
from service.audit import history
from service.audit.feed import Feed, FeedEntry, Filter, Place, ends_of
from service.audit.reads import LAST_ID, Read, Wanted, page_of_reads
from service.audit.words import Redaction
from service.store.codec import topics
from service.store.connections import Database
from service.store.whereabouts import whereabouts
from service.verify.shard import Verified, reading, verify_conversation

TAGS: Final = ["audit"]
LONGEST_ACTOR: Final = LIMITS.user_id + max(map(len, KINDS))
AUDIT: Final = needing("audit")
EVENTS: Final = "events"
FEED: Final = "feed"
READS: Final = "reads"
LINES: Final = ("application/jsonl", "application/x-ndjson")
LINES_AT_ONCE: Final = 500
TOPIC: Final = name(LIMITS.kind)

From = Annotated[
    str | None,
    QueryParameter(
        name="from", description="A day or a time, in UTC unless it says more.", schema_extra=A_TIME
    ),
]
To = Annotated[
    str | None,
    QueryParameter(
        name="to", description="The same; what happened from then on is left out.", schema_extra=A_TIME
    ),
]
OfConversation = Annotated[
    str | None,
    QueryParameter(
        name="conversation_id",
        description="Only what is about this conversation: its id, or its name beside its user.",
        schema_extra=A_CONVERSATION,
    ),
]


class Happened(Struct, frozen=True):
    """One event. `before` and `after` are the part of the conversation that it changed. Where its words are
    gone, `redacted` says what took them, and nothing else tells of them; shard and position are for
    auditors."""

    version: int
    at: datetime
    topic: str
    user_id: str | None
    actor: str | None
    request_id: str | None
    words: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    event: dict[str, Any] | None
    redacted: Redaction | UnsetType = UNSET
    shard: int | UnsetType = UNSET
    position: int | UnsetType = UNSET


class EventHistory(Struct, frozen=True):
    """Oldest first."""

    events: list[Happened]
    next_cursor: str | None


class RecordedBody(Struct, frozen=True):
    """One event among all there are."""

    shard: int
    position: int
    conversation_id: UUID
    version: int
    at: datetime
    topic: str
    user_id: str | None
    actor: str | None
    request_id: str | None
    words: str
    event: dict[str, Any] | None
    redacted: Redaction | UnsetType = UNSET


class AuditFeed(Struct, frozen=True):
    """Oldest first. `next_cursor` is null where the feed ended when it was asked for; `newer` is always there
    and leads, as the cursor of another request, to what has come since."""

    events: list[RecordedBody]
    next_cursor: str | None
    newer: str


class FaultBody(Struct, frozen=True):
    what: str
    shard: int | None
    version: int | None
    position: int | None


class Verification(Struct, frozen=True):
    """The first hundred faults, and how many there are in all."""

    conversation_id: UUID
    holds: bool
    events: int
    faults: list[FaultBody]
    faults_in_all: int


class ReadOnRecord(Struct, frozen=True):
    """Who has read whose record. No user: everybody's; no reader: one who was erased."""

    id: UUID
    user_id: str | None
    conversation_id: UUID | None
    reader: str | None
    operation: str
    request_id: str | None
    at: datetime


class ReadsOnRecord(Struct, frozen=True):
    """The latest first."""

    reads: list[ReadOnRecord]
    next_cursor: str | None


RENAMED: Final[dict[str, Any]] = {
    "version": 4,
    "at": examples.ANSWERED_AT,
    "topic": "conversation_renamed",
    "user_id": "user123",
    "actor": "user123",
    "request_id": "3c9d1f6a2e7b4c58a0b1d2e3f4a5b6c7",
    "words": "The title was changed from “Towers” to “Eiffel Tower”",
    "before": {"title": "Towers"},
    "after": {"title": "Eiffel Tower"},
    "event": {"event": "conversation_renamed", "title": "Eiffel Tower"},
}
SEEN: Final[dict[str, Any]] = {
    "shard": 17,
    "position": 1809,
    "conversation_id": examples.CONVERSATION_ID,
    **{key: value for key, value in RENAMED.items() if key not in ("before", "after")},
}
READ: Final[dict[str, Any]] = {
    "id": examples.ANSWER_ID,
    "user_id": "user123",
    "conversation_id": examples.CONVERSATION_ID,
    "reader": "key:auditor",
    "operation": "GET /api/conversations/{conversation_id}/events",
    "request_id": "3c9d1f6a2e7b4c58a0b1d2e3f4a5b6c7",
    "at": examples.ANSWERED_AT,
}
FAULT: Final[dict[str, Any]] = {
    "what": "what it says is not what was recorded: the digest of its state differs",
    "shard": 17,
    "version": 2,
    "position": 1807,
}


@get(
    "/api/conversations/{conversation_id:str}/events",
    tags=TAGS,
    summary="Everything that happened to a conversation, in words and in full",
    responses=gives(
        200,
        EventHistory,
        {"events": [RENAMED], "next_cursor": encode(EVENTS, examples.CONVERSATION_ID, (4,))},
        "A page of events, oldest first; next_cursor leads to the next.",
        examples.UNKNOWN,
    ),
)
async def events(
    conversation_id: ConversationInPath,
    asking: NamedDependency[Asking],
    limit: Limit = 50,
    cursor: Cursor = None,
    include: Include = None,
) -> ASGIResponse:
    """For its owner, and for auditors: who did what and when, what was there before, and what after. A page
    of very long messages holds fewer than the limit."""
    whose = await seen(asking, conversation_id)
    owner = str(whose.conversation_id)
    after: int = 0 if cursor is None else decode(EVENTS, owner, cursor, tuple[int])[0]
    kinds = kinds_shown(whose.everything, wants_items(include))
    page = await history.page_of_events(
        asking.hansard.pool, whose.shard, whose.conversation_id, after, limit, kinds
    )
    more = None if page.next_version is None else encode(EVENTS, owner, (page.next_version,))
    return answer(EventHistory([happened(each, whose.everything) for each in page.told], more))


def happened(told: history.ToldEvent, everything: bool) -> Happened:
    recorded = told.recorded
    return Happened(
        recorded.version,
        moment(recorded.recorded_at),
        topic_of(recorded.event),
        recorded.user_id,
        recorded.actor,
        recorded.request_id,
        told.words,
        told.before,
        told.after,
        None if told.withheld or told.redaction else in_full(recorded.event),
        told.redaction or UNSET,
        recorded.shard if everything else UNSET,
        recorded.position if everything else UNSET,
    )


def topic_of(event: Any) -> str:
    """As it was stored, also where the event is gone or unknown."""
    return getattr(event, "topic", None) or str(event.__struct_config__.tag)


def in_full(event: Any) -> dict[str, Any]:
    """What is encoded is the event itself."""
    full: dict[str, Any] = event
    return full


@get(
    "/api/audit/events",
    opt=AUDIT | STREAMS,
    tags=TAGS,
    summary="The events of all conversations, by time",
    responses=gives(
        200,
        AuditFeed,
        {
            "events": [SEEN],
            "next_cursor": encode(FEED, "", ([1809],)),
            "newer": encode(FEED, "", ([1809],)),
        },
        "A page; it may hold fewer than the limit, even none, while next_cursor leads on. With Accept: "
        "application/jsonl all of it, an event a line; the last line is no event and says `newer`: a stream "
        "without it was cut off.",
        examples.UNKNOWN,
        examples.STREAMED,
    ),
)
async def feed(
    request: Request[Any, Any, Any],
    asking: NamedDependency[Asking],
    topic: Annotated[
        list[str] | None,
        QueryParameter(
            description="Only events of these topics, such as `message_added`.",
            max_items=50,
            schema_extra=names(LIMITS.kind),
        ),
    ] = None,
    since: From = None,
    until: To = None,
    actor: Annotated[
        str | None,
        QueryParameter(
            description="Only what this actor did: a user, `key:NAME`, or `responder:NAME`.",
            schema_extra=parameter(name(LONGEST_ACTOR)),
        ),
    ] = None,
    conversation_id: OfConversation = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ASGIResponse:
    """Ordered by time as far as the clocks of several processes agree, and complete whether they do or not:
    whoever goes on from her last cursor misses nothing and gets nothing twice."""
    for each in topic or ():
        check_name("topic", each, LIMITS.kind)
    if actor is not None:
        check_name("actor", actor, LONGEST_ACTOR)
    wanted = Filter(
        user_id=asking.named,
        topics=None if topic is None else sorted({stored for each in topic for stored in known_as(each)}),
        actor=actor,
        conversation_id=None if conversation_id is None else await asking.id_of(conversation_id),
        since=None if since is None else time_in("from", since),
        before=None if until is None else time_in("to", until),
    )
    pool = asking.hansard.pool
    until_now = await ends_of(pool, await only_shard(asking, wanted))
    owner = sealed(wanted)
    place = dict.fromkeys(until_now, 0) if cursor is None else place_in(owner, cursor, until_now)
    found = Feed(pool, wanted, place, until_now)
    media_type = lines_wanted(request.headers.get("accept", ""))
    if media_type is not None:
        return EventStream(lines(found, owner), media_type)
    page = await found.page(limit)
    on = place_as_cursor(owner, page.place)
    told = AuditFeed([seen_by_auditors(each) for each in page.entries], None if page.ended else on, on)
    return answer(told)


def known_as(topic: str) -> list[str]:
    """A topic and its older versions; what is not ours, as it was given."""
    return topics(topic) or [topic]


async def only_shard(asking: Asking, wanted: Filter) -> int | None:
    """The one shard in which all that is wanted lies."""
    if wanted.user_id is not None:
        return asking.hansard.store.shard_of(wanted.user_id)
    if wanted.conversation_id is None:
        return None
    async with asking.hansard.pool.connection() as connection:
        found = await whereabouts(connection, asking.hansard.reach, wanted.conversation_id)
    return found.shard if found else 0


def seen_by_auditors(entry: FeedEntry) -> RecordedBody:
    recorded = entry.recorded
    return RecordedBody(
        recorded.shard,
        recorded.position,
        recorded.conversation_id,
        recorded.version,
        moment(recorded.recorded_at),
        topic_of(recorded.event),
        recorded.user_id,
        recorded.actor,
        recorded.request_id,
        entry.words,
        None if entry.redaction else in_full(recorded.event),
        entry.redaction or UNSET,
    )


def lines_wanted(accept: str) -> str | None:
    asked = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    return next((each for each in LINES if each in asked), None)


async def lines(feed: Feed, owner: str) -> AsyncIterator[bytes]:
    """The next page is read when the one before it is sent."""
    write = msgspec.json.Encoder().encode
    place: Place = {}
    async for page in feed.pages(LINES_AT_ONCE):
        place = page.place
        yield b"".join(write(seen_by_auditors(each)) + b"\n" for each in page.entries)
    yield write({"newer": place_as_cursor(owner, place)}) + b"\n"


def sealed(wanted: Struct) -> str:
    """A place is in one feed: in another, other things were left out on the way there."""
    return sha256(repr(wanted).encode()).hexdigest()


def place_as_cursor(owner: str, place: Place) -> str:
    return encode(FEED, owner, ([place[shard] for shard in sorted(place)],))


def place_in(owner: str, cursor: str, until: Place) -> dict[int, int]:
    shape = tuple[list[Annotated[int, Meta(ge=0, le=LARGEST)]]]
    positions: list[int] = decode(FEED, owner, cursor, shape)[0]
    if len(positions) != len(until):
        raise BadCursor
    return dict(zip(sorted(until), positions, strict=True))


@get(
    "/api/audit/conversations/{conversation_id:str}/verify",
    opt=AUDIT,
    tags=TAGS,
    summary="Whether a conversation is what was once recorded",
    responses=gives(
        200,
        Verification,
        {
            "conversation_id": examples.CONVERSATION_ID,
            "holds": False,
            "events": 5,
            "faults": [FAULT],
            "faults_in_all": 1,
        },
        "What the digests say.",
        examples.UNKNOWN,
    ),
)
async def verify(conversation_id: ConversationInPath, asking: NamedDependency[Asking]) -> ASGIResponse:
    """Follows its chain of digests from its first event to its last."""
    known = await asking.id_of(conversation_id)
    verified = await asyncio.to_thread(verified_now, asking.hansard.database, known)
    if not verified.events:
        raise ConversationNotFound
    faults = [FaultBody(each.what, each.shard, each.version, each.position) for each in verified.faults]
    return answer(Verification(known, not verified.total, verified.events, faults, verified.total))


def verified_now(database: Database, conversation_id: UUID) -> Verified:
    with reading(database) as connection:
        return verify_conversation(connection, conversation_id)


@get(
    "/api/audit/reads",
    opt=AUDIT,
    tags=TAGS,
    summary="Who has read whose record",
    responses=gives(
        200,
        ReadsOnRecord,
        {"reads": [READ], "next_cursor": encode(READS, "", (bytes(16),))},
        "A page, the latest first; next_cursor leads to the next.",
        examples.UNKNOWN,
    ),
)
async def reads(
    asking: NamedDependency[Asking],
    since: From = None,
    until: To = None,
    conversation_id: OfConversation = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ASGIResponse:
    """What keys with the scope audit have read is always there; what anybody else has, where
    HANSARD_RECORD_READS is `all`."""
    hansard, user_id = asking.hansard, asking.named
    wanted = Wanted(
        user_id=user_id,
        conversation_id=None if conversation_id is None else await asking.id_of(conversation_id),
        since=None if since is None else time_in("from", since),
        until=None if until is None else time_in("to", until),
    )
    owner = sealed(wanted)
    before = LAST_ID
    if cursor is not None:
        shape = tuple[Annotated[bytes, Meta(min_length=16, max_length=16)]]
        before = UUID(bytes=decode(READS, owner, cursor, shape)[0])
    shards = range(hansard.store.shards) if user_id is None else [hansard.store.shard_of(user_id)]
    found = await page_of_reads(hansard.pool, shards, wanted, before, limit + 1)
    page = found[:limit]
    more = encode(READS, owner, (page[-1].id.bytes,)) if len(found) > limit else None
    return answer(ReadsOnRecord([on_record(each) for each in page], more))


def on_record(read: Read) -> ReadOnRecord:
    return ReadOnRecord(
        read.id,
        read.user_id,
        read.conversation_id,
        read.reader,
        read.operation,
        read.request_id,
        moment(read.read_at),
    )


HANDLERS: Final = (events, feed, verify, reads)
