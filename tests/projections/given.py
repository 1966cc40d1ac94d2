"""Logs to project: told one event after another, or all that can happen to a few conversations."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Event,
    Link,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    Payload,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from domain.recorded import Foreign, Recorded, Redacted
from projections import generations
from projections.projection import Projection, fold
from projections.reading.view import View, configure
from projections.rows.apply import apply
from projections.rows.tables import Table
from service.store.connections import connect, conninfo
from service.store.log import DatabaseLog
from tests.cluster import TOPOLOGY

START = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
SHARD = 3
GENERATION = 7


def conversation(number: int) -> UUID:
    return UUID(int=number)


class Log:
    """Events as they stand in a shard: in the order of the telling, an hour after each other."""

    def __init__(self, shard: int = SHARD) -> None:
        self.shard = shard
        self.records: list[Recorded] = []
        self.versions: dict[UUID, int] = {}

    def add(self, conversation_id: UUID, *events: Event, user_id: str | None = "ada") -> "Log":
        for event in events:
            version = self.versions[conversation_id] = self.versions.get(conversation_id, 0) + 1
            position = len(self.records) + 1
            at = START + timedelta(hours=position)
            self.records.append(
                Recorded(self.shard, position, conversation_id, version, event, at, user_id, user_id)
            )
        return self


def user_said(message_id: str, content: str, **more: Any) -> MessageAdded:
    return MessageAdded(message_id=message_id, role="user", content=content, **more)


def replied(message_id: str, content: str, **more: Any) -> MessageAdded:
    return MessageAdded(message_id=message_id, role="assistant", content=content, **more)


@contextmanager
def tables(dsn: str, *projections: Projection) -> Iterator[Connection[Any]]:
    """A connection on which each projection has its tables; JSON comes as its text."""
    with connect(dsn) as connection:
        connection.adapters.register_loader("json", TextLoader)
        for projection in projections:
            for table in projection.tables:
                connection.execute(table.create(GENERATION))
                for statement in table.index(GENERATION):
                    connection.execute(statement)
        yield connection


@contextmanager
def undone(connection: Connection[Any]) -> Iterator[None]:
    with connection.transaction(force_rollback=True):
        yield


def project(
    connection: Connection[Any], projection: Projection, batches: Iterable[Sequence[Recorded]]
) -> None:
    for batch in batches:
        apply(connection, fold(projection, batch), GENERATION)


@asynccontextmanager
async def live(
    dsn: str, projection: Projection, history: Sequence[Recorded] = (), **given: Any
) -> AsyncIterator[View]:
    """A view of the projection, in step with this history."""
    with connect(dsn) as connection:
        generation = generations.live(connection, projection)
        if generation is None:
            generation = generations.create(connection, projection, DatabaseLog(TOPOLOGY), "live")
        apply(connection, fold(projection, history), generation.number)
        connection.execute("UPDATE checkpoints SET position = NULL")
    async with AsyncConnectionPool(conninfo(dsn), configure=configure, min_size=1, max_size=4) as pool:
        yield View(pool, projection, **given)


def stored(connection: Connection[Any], table: Table) -> list[Any]:
    """The rows, in the order of their keys."""
    order = sql.SQL(", ").join(map(sql.Identifier, table.key))
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(columns, table.physical(GENERATION), order)
    with connection.cursor(row_factory=class_row(table.row)) as cursor:
        return sorted(cursor.execute(query).fetchall(), key=table.key_of)


CONVERSATIONS = tuple(map(conversation, (1, 2, 3)))
MESSAGES = ("m1", "m2", "m3")
LINKS = (Link("opportunity", "opp_42"), Link("opportunity", "opp_43"), Link("ticket", "opp_42"))
texts = st.sampled_from(["", "Will I be lucky?", 'A "word"\\', "nul\0nul", "Grüße 🌍", "  \n", "x" * 100])
metadata: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {"a": 1}, {"b": [None, "ü\0"]}])
payloads = st.sampled_from([None, Payload("chatkit.v1", {"id": "x\0"})])
statuses = st.sampled_from(["complete", "interrupted"])
kinds = st.sampled_from(["message", "message", "widget", "tool_call", "hidden_context_item"])
message_ids = st.sampled_from(MESSAGES)
links = st.sampled_from(LINKS)

events: st.SearchStrategy[Any] = st.one_of(
    st.builds(ConversationStarted, title=st.none() | st.just("Given"), metadata=metadata,
              links=st.sets(links).map(tuple)),
    st.builds(MessageAdded, message_id=message_ids, role=st.sampled_from(["user", "assistant"]),
              content=texts, kind=kinds, is_fortune=st.booleans(), metadata=metadata, status=statuses,
              payload=payloads, in_reply_to=st.none() | message_ids, tokens=st.none() | st.integers(0, 9)),
    st.builds(MessageAdded, message_id=message_ids, role=st.just("user"), content=texts),
    st.builds(MessageRevised, message_id=message_ids, content=texts, kind=kinds, metadata=metadata,
              status=statuses, payload=payloads),
    st.builds(MessageRemoved, message_id=message_ids),
    st.builds(MessageRated, message_id=message_ids, rating=st.sampled_from(["up", "down"]),
              comment=st.none() | texts),
    st.builds(ReplyFailed, in_reply_to=message_ids, reason=st.just("none")),
    st.builds(ConversationRenamed, title=st.sampled_from(["New", "Newer"])),
    st.builds(MetadataChanged, metadata=metadata),
    st.builds(ConversationLinked, link=links),
    st.builds(ConversationUnlinked, link=links),
    st.just(SessionEnded()),
    st.just(SessionReopened()),
    st.just(ConversationAnonymised(requested_by="policy", reason="age")),
    st.just(ConversationErased(requested_by="ada", reason="asked")),
    st.just(Foreign(topic="other", state=b"{}")),
)  # fmt: skip


class Known(Struct):
    """Of one conversation, what says whether an event fits."""

    user_id: str
    links: set[Link]
    messages: set[str]
    removed: set[str]
    erased: bool = False

    def takes(self, event: Event) -> bool:
        match event:
            case ConversationStarted():
                return False
            case _ if self.erased:
                return False
            case MessageAdded(message_id=message_id):
                return message_id not in self.messages | self.removed
            case MessageRevised(message_id=message_id) | MessageRated(message_id=message_id):
                return message_id in self.messages
            case MessageRemoved(message_id=message_id):
                return message_id in self.messages
            case ConversationLinked(link=link):
                return link not in self.links
            case ConversationUnlinked(link=link):
                return link in self.links
            case ConversationAnonymised():
                return not self.user_id.startswith("anonymous")
        return True

    def evolve(self, event: Event) -> None:
        match event:
            case MessageAdded(message_id=message_id):
                self.messages.add(message_id)
            case MessageRemoved(message_id=message_id):
                self.messages.discard(message_id)
                self.removed.add(message_id)
            case ConversationLinked(link=link):
                self.links.add(link)
            case ConversationUnlinked(link=link):
                self.links.discard(link)
            case ConversationAnonymised():
                self.user_id = "anonymous-" + self.user_id
                self.links.clear()
            case ConversationErased():
                self.erased = True


def fitting(told: Iterable[tuple[UUID, Event]]) -> list[Recorded]:
    """A log of those of the events that fit what came before them."""
    log, known = Log(), dict[UUID, Known]()
    for conversation_id, event in told:
        state = known.get(conversation_id)
        if state is None:
            if not isinstance(event, ConversationStarted):
                event = ConversationStarted()
            user_id = "ada" if conversation_id.int % 2 else "bob"
            known[conversation_id] = Known(user_id, set(event.links), set(), set())
        elif not state.takes(event):
            continue
        else:
            state.evolve(event)
        log.add(conversation_id, event, user_id=known[conversation_id].user_id)
    return log.records


histories = st.lists(st.tuples(st.sampled_from(CONVERSATIONS), events), max_size=40).map(fitting)


@st.composite
def in_batches(draw: st.DrawFn) -> list[list[Recorded]]:
    history = draw(histories)
    cuts = sorted(draw(st.sets(st.integers(0, len(history)), max_size=5)))
    return [history[a:b] for a, b in zip([0, *cuts], [*cuts, len(history)], strict=True)]


def redacted(history: Sequence[Recorded]) -> list[Recorded]:
    """The same log once its words are gone: what a replay reads after erasing and anonymising."""
    erased = last(history, ConversationErased)
    anonymised = last(history, ConversationAnonymised)
    return [left_of(recorded, erased, anonymised) for recorded in history]


def last(history: Sequence[Recorded], event: type[Event]) -> dict[UUID, Recorded]:
    return {recorded.conversation_id: recorded for recorded in history if isinstance(recorded.event, event)}


def left_of(recorded: Recorded, erased: dict[UUID, Recorded], anonymised: dict[UUID, Recorded]) -> Recorded:
    if isinstance(recorded.event, Foreign):
        return recorded
    end, turn = erased.get(recorded.conversation_id), anonymised.get(recorded.conversation_id)
    if turn is not None:
        recorded = replace(recorded, user_id=turn.user_id)
    if (end is not None and recorded.version < end.version) or (
        turn is not None
        and recorded.version < turn.version
        and isinstance(recorded.event, LEADING_TO_A_PERSON)
    ):
        return replace(recorded, event=Redacted(topic=str(recorded.event.__struct_config__.tag)))
    return recorded


LEADING_TO_A_PERSON = (
    ConversationStarted,
    ConversationRenamed,
    MetadataChanged,
    ConversationLinked,
    ConversationUnlinked,
)
