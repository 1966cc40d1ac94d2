"""How much was said, by day."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace
from psycopg import Connection

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    MessageAdded,
    MessageRemoved,
    MessageRevised,
)
from domain.recorded import Recorded
from projections import usage
from projections.usage import USAGE, Day, Row, Usage
from tests.projections.given import (
    SHARD,
    START,
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


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection[Any]]:
    with tables(dsn, Usage()) as connection:
        yield connection


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_batches())
def test_usage_equals_a_plain_count_also_after_erasing_and_anonymising(
    connection: Connection[Any], batches: list[list[Recorded]]
) -> None:
    log = [recorded for batch in batches for recorded in batch]
    with undone(connection):
        project(connection, Usage(), batches)
        assert stored(connection, USAGE) == plain(log)
    with undone(connection):
        project(connection, Usage(), [redacted(log)])
        assert stored(connection, USAGE) == plain(log)


def plain(log: Iterable[Recorded]) -> list[Row]:
    said: list[tuple[Recorded, MessageAdded]] = []
    users: dict[Any, str | None] = {}
    for recorded in log:
        users[recorded.conversation_id] = recorded.user_id
        if isinstance(recorded.event, MessageAdded) and recorded.event.kind == "message":
            said.append((recorded, recorded.event))
        elif isinstance(recorded.event, ConversationErased):
            said = [each for each in said if each[0].conversation_id != recorded.conversation_id]
    keys = sorted({(r.conversation_id, r.recorded_at.date()) for r, _ in said})
    return [row(at, day, users[at], said) for at, day in keys]


def row(at: Any, day: date, user_id: str | None, said: list[tuple[Recorded, MessageAdded]]) -> Row:
    events = [event for r, event in said if (r.conversation_id, r.recorded_at.date()) == (at, day)]
    questions = sum(event.role == "user" for event in events)
    return Row(
        SHARD, at, day, user_id, len(events), questions, len(events) - questions,
        sum(len(event.content) for event in events), sum(event.tokens or 0 for event in events),
    )  # fmt: skip


async def test_a_users_days_add_up_all_conversations(dsn: str) -> None:
    log = Log().add(conversation(1), user_said("m1", "12345"), replied("m2", "123", tokens=9))
    log.add(conversation(2), user_said("m1", "1"), user_said("w", "widget", kind="widget"))
    log.add(conversation(3), user_said("m1", "of somebody else"), user_id="bob")
    async with live(dsn, Usage(), log.records) as view:
        days = await usage.days_of(view, SHARD, "ada")
        assert days == [Day(date(2026, 2, 1), 3, 2, 1, 9, 9)]
        assert await usage.days_of(view, SHARD, "ada", last=date(2026, 1, 31)) == []


async def test_a_day_ends_at_midnight_in_utc(dsn: str) -> None:
    assert datetime(2026, 1, 31, 23, tzinfo=UTC) == START
    late, early = Log().add(conversation(1), user_said("m1", "late"), user_said("m2", "early")).records
    late = replace(late, recorded_at=datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    async with live(dsn, Usage(), [late, early]) as view:
        days = await usage.days_of(view, SHARD, "ada")
        assert [(each.day.isoformat(), each.messages) for each in days] == [
            ("2026-01-31", 1),
            ("2026-02-01", 1),
        ]


async def test_revising_and_removing_take_nothing_back_erasing_does(dsn: str) -> None:
    log = Log().add(conversation(1), user_said("m1", "123"), MessageRevised("m1", "1"), MessageRemoved("m1"))
    log.add(conversation(2), user_said("m1", "12"), ConversationErased("ada", "asked"))
    log.add(conversation(3), user_said("m1", "1"))
    log.add(conversation(3), ConversationAnonymised("policy", "age"), user_id="anonymous-1")
    async with live(dsn, Usage(), log.records) as view:
        assert [each.characters for each in await usage.days_of(view, SHARD, "ada")] == [3]
        assert [each.characters for each in await usage.days_of(view, SHARD, "anonymous-1")] == [1]
