"""Which conversations there are, and in which order a user sees them."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace
from psycopg import Connection

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
    SessionEnded,
    SessionReopened,
)
from domain.recorded import Foreign, Recorded
from domain.title import title_from
from projections import conversations
from projections.conversations import (
    CONVERSATIONS,
    END,
    LINKS,
    Conversations,
    LinkRow,
    Row,
    WantedConversations,
)
from projections.reading.view import View
from tests.projections.given import (
    SHARD,
    Log,
    conversation,
    in_batches,
    live,
    project,
    redacted,
    replied,
    stored,
    tables,
    undone,
    user_said,
)

ONE, TWO, THREE = conversation(1), conversation(2), conversation(3)
OPPORTUNITY = Link("opportunity", "opp_42")


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection[Any]]:
    with tables(dsn, Conversations()) as connection:
        yield connection


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_batches())
def test_conversations_and_their_links_equal_a_plain_fold(
    connection: Connection[Any], batches: list[list[Recorded]]
) -> None:
    with undone(connection):
        project(connection, Conversations(), batches)
        rows, links = plain(recorded for batch in batches for recorded in batch)
        assert stored(connection, CONVERSATIONS) == rows
        assert stored(connection, LINKS) == links


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_batches())
def test_a_replay_of_what_erasing_and_anonymising_left_gives_the_same_conversations(
    connection: Connection[Any], batches: list[list[Recorded]]
) -> None:
    left = redacted([recorded for batch in batches for recorded in batch])
    with undone(connection):
        project(connection, Conversations(), batches)
        before = stored(connection, CONVERSATIONS), stored(connection, LINKS)
    with undone(connection):
        project(connection, Conversations(), [left])
        assert (stored(connection, CONVERSATIONS), stored(connection, LINKS)) == before


def plain(log: Iterable[Recorded]) -> tuple[list[Row], list[LinkRow]]:
    rows: dict[Any, Row] = {}
    links: dict[Any, list[Link]] = {}
    for r in log:
        e, at = r.event, r.conversation_id
        if isinstance(e, Foreign):
            continue
        if isinstance(e, ConversationStarted):
            links[at] = list(e.links)
            rows[at] = Row(
                r.shard, at, r.user_id, e.title, None, r.recorded_at, r.recorded_at, r.position, 0, None,
                told(e.metadata), r.version,
            )  # fmt: skip
            continue
        row = rows[at]
        row.version = r.version
        if isinstance(e, MessageAdded | MessageRevised):
            row.last_activity_at, row.last_position = r.recorded_at, r.position
        if isinstance(e, MessageAdded):
            row.message_count += 1
            if row.opening is None and e.role == "user" and e.kind == "message" and title_from(e.content):
                row.opening = title_from(e.content)
        elif isinstance(e, MessageRemoved):
            row.message_count -= 1
        elif isinstance(e, ConversationRenamed):
            row.title = e.title
        elif isinstance(e, MetadataChanged):
            row.metadata = told(e.metadata)
        elif isinstance(e, SessionEnded | SessionReopened):
            row.ended_at = r.recorded_at if isinstance(e, SessionEnded) else None
            ended = isinstance(e, SessionEnded) and e.reason is not None
            row.ended_reason = told(e.reason) if ended else None
        elif isinstance(e, ConversationLinked):
            links[at].append(e.link)
        elif isinstance(e, ConversationUnlinked):
            links[at].remove(e.link)
        elif isinstance(e, ConversationAnonymised):
            row.user_id, row.title, row.metadata, links[at] = r.user_id, None, "{}", []
            row.ended_reason = None
            row.anonymised = told({"requested_by": e.requested_by, "reason": e.reason})
        elif isinstance(e, ConversationErased):
            del rows[at], links[at]
    tied = [LinkRow(row.shard, at, li.kind, li.target) for at, row in rows.items() for li in links[at]]
    return [rows[at] for at in sorted(rows)], sorted(tied, key=LINKS.key_of)


def told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def started(log: Log, number: int, *events: Event, user_id: str = "ada", **how: Any) -> None:
    log.add(conversation(number), ConversationStarted(**how), *events, user_id=user_id)


async def listed(view: View, limit: int = 10, before: int = END, **wanted: Any) -> list[int]:
    page = await conversations.page(view, SHARD, "ada", limit, before, WantedConversations(**wanted))
    return [each.conversation_id.int for each in page]


async def test_the_conversation_with_the_most_recent_activity_comes_first(dsn: str) -> None:
    log = Log()
    for number in (1, 2, 3):
        started(log, number, user_said("m1", "hello"))
    started(log, 4, user_id="bob")
    log.add(ONE, user_said("m2", "again"))
    log.add(TWO, SessionEnded(), ConversationRenamed("tidy"), MessageRated("m1", "up"), MessageRemoved("m1"))
    async with live(dsn, Conversations(), log.records) as view:
        assert await listed(view) == [1, 3, 2]


async def test_the_other_way_round_the_least_recent_activity_comes_first(dsn: str) -> None:
    log = Log()
    for number in (1, 2, 3):
        started(log, number, user_said("m1", "hello"))
    started(log, 4, user_id="bob")
    log.add(ONE, user_said("m2", "again"))
    async with live(dsn, Conversations(), log.records) as view:
        first = await conversations.page_after(view, SHARD, "ada", 2)
        rest = await conversations.page_after(view, SHARD, "ada", 2, after=first[-1].last_position)
        assert [each.conversation_id.int for each in (*first, *rest)] == [2, 3, 1]


async def test_why_a_conversation_ended_is_known_until_it_is_reopened(dsn: str) -> None:
    log = Log()
    started(log, 1, SessionEnded("solved"))
    started(log, 2, SessionEnded("solved"), SessionReopened())
    async with live(dsn, Conversations(), log.records) as view:
        page = await conversations.page(view, SHARD, "ada", 10)
        assert {each.conversation_id.int: each.ended_reason for each in page} == {1: b'"solved"', 2: None}


async def test_pages_of_conversations_go_on_before_the_last_one(dsn: str) -> None:
    log = Log()
    for number in range(1, 8):
        started(log, number)
    async with live(dsn, Conversations(), log.records) as view:
        first = await conversations.page(view, SHARD, "ada", 3)
        assert [each.conversation_id.int for each in first] == [7, 6, 5]
        assert await listed(view, 3, before=first[-1].last_position) == [4, 3, 2]
        assert await listed(view, 3, before=1) == []


async def test_a_title_is_the_one_given_or_else_the_first_words_of_the_user(dsn: str) -> None:
    log = Log()
    started(log, 1, replied("m1", "Welcome"), user_said("m2", "Will I be lucky?"), user_said("m3", "Hm"))
    started(log, 2, user_said("m1", "Hello"), title="Given")
    started(log, 3, user_said("m1", "Hello"), ConversationRenamed("Renamed"))
    started(log, 4, replied("m1", "Welcome"))
    async with live(dsn, Conversations(), log.records) as view:
        found = [await conversations.conversation(view, SHARD, conversation(n)) for n in (1, 2, 3, 4, 5)]
        assert [each.title if each else "-" for each in found] == [
            "Will I be lucky?", "Given", "Renamed", None, "-"
        ]  # fmt: skip


async def test_conversations_are_filtered_by_activity_link_and_title_together(dsn: str) -> None:
    log = Log()
    started(log, 1, title="100% sure", links=(OPPORTUNITY,))
    started(log, 2, SessionEnded(), title="100% unsure", links=(OPPORTUNITY,))
    started(log, 3, user_said("m1", "1000 things"), ConversationLinked(Link("ticket", "opp_42")))
    started(log, 4, ConversationLinked(OPPORTUNITY), ConversationUnlinked(OPPORTUNITY))
    started(log, 5, SessionEnded(), SessionReopened(), title=r"back\slash and_under")
    async with live(dsn, Conversations(), log.records) as view:
        assert await listed(view, active_only=True) == [5, 4, 3, 1]
        assert await listed(view, link=OPPORTUNITY) == [2, 1]
        assert await listed(view, link=OPPORTUNITY, active_only=True) == [1]
        assert await listed(view, title="100%") == [2, 1]
        assert await listed(view, title="SURE", active_only=True) == [1]
        assert await listed(view, title="1000") == [3]
        assert await listed(view, title="\\S") == [5]
        assert await listed(view, title="d_u") == [5]
        assert await listed(view, title="d%u") == []
        assert await listed(view, title="sure", link=OPPORTUNITY, active_only=True, before=1) == []


async def test_links_are_read_for_a_page_and_everybodys_conversations_for_a_link(dsn: str) -> None:
    log = Log()
    started(log, 1, links=(OPPORTUNITY, Link("a", "b")))
    started(log, 2)
    started(log, 3, user_id="bob", links=(OPPORTUNITY,))
    async with live(dsn, Conversations(), log.records) as view:
        assert await conversations.links_of(view, SHARD, [ONE, TWO]) == {
            ONE: [Link("a", "b"), OPPORTUNITY], TWO: []
        }  # fmt: skip
        found = await conversations.with_link(view, SHARD, OPPORTUNITY)
        assert [(each.conversation_id, each.user_id) for each in found] == [(THREE, "bob"), (ONE, "ada")]


async def test_an_anonymised_conversation_leads_to_nobody_and_an_erased_one_is_gone(dsn: str) -> None:
    log = Log()
    started(log, 1, user_said("m1", "Hello"), title="About Ada", links=(OPPORTUNITY,), metadata={"crm": 7})
    started(log, 2, user_said("m1", "Hello"), links=(OPPORTUNITY,))
    log.add(ONE, ConversationAnonymised("policy", "age"), user_id="anonymous-1")
    log.add(TWO, ConversationErased("ada", "asked"))
    async with live(dsn, Conversations(), log.records) as view:
        assert await listed(view) == []
        assert await conversations.with_link(view, SHARD, OPPORTUNITY) == []
        found = await conversations.conversation(view, SHARD, ONE)
        assert found is not None
        assert (found.user_id, found.title, found.metadata) == ("anonymous-1", "Hello", b"{}")
        assert await conversations.conversation(view, SHARD, TWO) is None


async def left_alone(view: View, since: int, anonymised_since: int | None = None, **how: Any) -> list[int]:
    found = await conversations.idle(
        view,
        SHARD,
        at(since),
        None if anonymised_since is None else at(anonymised_since),
        **{"limit": 10, **how},
    )
    return [each.conversation_id.int for each in found]


async def test_what_was_left_alone_for_long_is_found_page_by_page(dsn: str) -> None:
    log = Log()
    for number in (1, 2, 3, 4):
        started(log, number, user_said("m1", "hello"))
    log.add(ONE, user_said("m2", "again"))
    log.add(THREE, ConversationAnonymised(requested_by="retention", reason="old"))
    log.add(TWO, SessionEnded())
    records = [replace(each, recorded_at=at(5 * index)) for index, each in enumerate(log.records)]
    async with live(dsn, Conversations(), records) as view:
        assert await left_alone(view, 14) == []
        assert await left_alone(view, 15) == [2]
        assert await left_alone(view, 35) == [2, 4]
        assert await left_alone(view, 35, anonymised_since=24) == [2, 4]
        assert await left_alone(view, 35, anonymised_since=25) == [2, 3, 4]
        assert await left_alone(view, 1000) == [2, 4, 1]
        found = await conversations.idle(view, SHARD, at(35), at(35), 1)
        assert [each.conversation_id for each in found] == [TWO]
        assert await left_alone(view, 35, anonymised_since=35, after=found[0].place) == [3, 4]
        (three,) = await conversations.idle(view, SHARD, at(35), at(35), 1, found[0].place)
        assert three.anonymised == b'{"requested_by":"retention","reason":"old"}'


def at(days: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)


def test_a_message_does_not_move_its_conversation_in_any_index(connection: Connection[Any]) -> None:
    log = Log()
    started(log, 1, user_said("m0", "hello"))
    for number in range(1, 20):
        log.add(ONE, user_said(f"m{number}", "more"))
    with undone(connection):
        project(connection, Conversations(), [[each] for each in log.records])
        ((updated, in_place),) = connection.execute(
            """SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)
            FROM pg_class WHERE oid = 'conversations_g7'::regclass"""
        ).fetchall()
    assert (updated, in_place) == (20, 20)
