"""What was said, as the log tells it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from psycopg import Connection

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    Payload,
)
from domain.recorded import Recorded
from projections import history
from projections.history import HISTORY, History, Row, Said
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

TAGGERS = {"fortune": "(?i)lucky", "word": r"\bword\b"}
ONE, TWO = conversation(1), conversation(2)


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection[Any]]:
    with tables(dsn, History()) as connection:
        yield connection


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_batches())
def test_history_equals_a_plain_fold(connection: Connection[Any], batches: list[list[Recorded]]) -> None:
    projection = History(TAGGERS)
    with undone(connection):
        project(connection, projection, batches)
        assert stored(connection, HISTORY) == plain(r for batch in batches for r in batch)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_batches())
def test_a_replay_of_what_erasing_and_anonymising_left_gives_the_same_history(
    connection: Connection[Any], batches: list[list[Recorded]]
) -> None:
    left = redacted([recorded for batch in batches for recorded in batch])
    with undone(connection):
        project(connection, History(), batches)
        before = stored(connection, HISTORY)
    with undone(connection):
        project(connection, History(), [left])
        assert stored(connection, HISTORY) == before


def plain(log: Any) -> list[Row]:
    rows: dict[Any, Row] = {}
    for r in log:
        e = r.event
        key = (r.conversation_id, getattr(e, "message_id", None))
        if isinstance(e, MessageAdded):
            rows[key] = Row(
                r.shard, r.conversation_id, e.message_id, r.position, r.version, r.user_id, e.role, e.kind,
                told(e.content), e.is_fortune, "lucky" in e.content, told(e.metadata), e.in_reply_to,
                e.status, payload(e), tags(e), r.recorded_at,
            )  # fmt: skip
        elif isinstance(e, MessageRevised):
            row = rows[key]
            row.content, row.metadata, row.tags = told(e.content), told(e.metadata), tags(e)
            row.kind, row.status, row.payload = e.kind, e.status, payload(e)
            row.tagged_fortune, row.revised_at = "lucky" in e.content, r.recorded_at
        elif isinstance(e, MessageRated):
            rows[key].rating = e.rating
            rows[key].comment = None if e.comment is None else told(e.comment)
        elif isinstance(e, MessageRemoved):
            del rows[key]
        elif isinstance(e, ConversationErased):
            rows = {key: row for key, row in rows.items() if key[0] != r.conversation_id}
        elif isinstance(e, ConversationAnonymised):
            for (conversation_id, _), row in rows.items():
                if conversation_id == r.conversation_id:
                    row.user_id, row.metadata, row.payload = r.user_id, "{}", None
    return [rows[key] for key in sorted(rows)]


def told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tags(event: MessageAdded | MessageRevised) -> str:
    found = [name for name, word in (("fortune", "lucky"), ("word", "word")) if word in event.content]
    return told(found)


def payload(event: MessageAdded | MessageRevised) -> str | None:
    if event.payload is None:
        return None
    return told({"schema": event.payload.schema, "data": event.payload.data})


async def test_pages_go_back_from_the_newest_and_forward_from_a_place_oldest_first(dsn: str) -> None:
    log = Log()
    for n in range(1, 8):
        log.add(ONE if n % 2 else TWO, user_said(f"m{n}", str(n)))
    async with live(dsn, History(), log.records) as view:
        newest = await history.page(view, SHARD, ONE, 2)
        assert [m.message_id for m in newest] == ["m5", "m7"]
        older = await history.page(view, SHARD, ONE, 2, before=newest[0].position)
        assert [m.message_id for m in older] == ["m1", "m3"]
        assert await history.page(view, SHARD, ONE, 2, before=older[0].position) == []
        newer = await history.page(view, SHARD, ONE, 2, after=older[0].position)
        assert [m.message_id for m in newer] == ["m3", "m5"]
        assert await history.page(view, SHARD, ONE, 2, after=newest[-1].position) == []


async def test_a_users_messages_run_through_all_conversations_in_the_order_of_the_log(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "1")).add(TWO, user_said("m2", "2")).add(ONE, user_said("m3", "3"))
    log.add(conversation(9), user_said("other", "of somebody else"), user_id="bob")
    async with live(dsn, History(), log.records) as view:
        everything = await history.page_of_user(view, SHARD, "ada", 10)
        assert [m.message_id for m in everything] == ["m1", "m2", "m3"]
        newest = await history.page_of_user(view, SHARD, "ada", 2)
        assert [m.message_id for m in newest] == ["m2", "m3"]
        assert [m.message_id for m in await history.page_of_user(view, SHARD, "ada", 2, before=2)] == ["m1"]
        assert [m.message_id for m in await history.page_of_user(view, SHARD, "ada", 1, after=1)] == ["m2"]


async def test_a_message_is_read_as_it_was_sent(dsn: str) -> None:
    sent = replied(
        "m1",
        'nul\0 "quoted" ü🌍\\',
        metadata={"a": [1, "\0"]},
        payload=Payload("s", {"x": None}),
        in_reply_to="m0",
    )
    log = Log().add(ONE, sent, MessageRated(message_id="m1", rating="up", comment="yes\0"))
    async with live(dsn, History(), log.records) as view:
        message = await history.message(view, SHARD, ONE, "m1")
        assert message is not None
        assert json.loads(message.content) == sent.content
        assert json.loads(message.metadata) == sent.metadata
        assert message.payload is not None
        assert json.loads(message.payload) == {"schema": "s", "data": {"x": None}}
        assert message.comment is not None
        assert (message.rating, json.loads(message.comment)) == ("up", "yes\0")
        assert (message.role, message.in_reply_to, message.status) == ("assistant", "m0", "complete")
        assert message.recorded_at == log.records[0].recorded_at
        assert await history.message(view, SHARD, ONE, "m2") is None
        assert await history.message(view, SHARD, TWO, "m1") is None


async def test_a_message_is_about_fortune_if_the_caller_said_so_or_the_tagger_finds_it(dsn: str) -> None:
    log = Log().add(
        ONE, user_said("m1", "hello"), user_said("m2", "hello", is_fortune=True), user_said("m3", "Lucky me")
    )
    async with live(dsn, History({"fortune": "(?i)lucky", "greeting": "hello"}), log.records) as view:
        page = await history.page(view, SHARD, ONE, 10)
        assert [m.is_fortune for m in page] == [False, True, True]
        assert [json.loads(m.tags) for m in page] == [["greeting"], ["greeting"], ["fortune"]]


async def test_a_responder_is_told_everything_that_was_said_oldest_first(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LINES_AT_ONCE", 2)
    log = (
        Log()
        .add(ONE, user_said("m1", "1\0"))
        .add(TWO, replied("m2", "2"), user_said("w", "-", kind="widget"))
    )
    log.add(ONE, user_said("m3", "3"), replied("m4", "4"), user_said("m5", "5"))
    async with live(dsn, History(), log.records) as view:
        said = [each async for each in history.all_of(view, SHARD, "ada")]
        assert said == [
            Said("user", "1\0"),
            Said("assistant", "2"),
            Said("user", "3"),
            Said("assistant", "4"),
            Said("user", "5"),
        ]
        assert [each async for each in history.all_of(view, SHARD, "ada", last=2)] == said[-2:]
        assert [each async for each in history.all_of(view, SHARD, "nobody")] == []


async def test_clients_are_shown_what_is_not_for_the_servers_eyes_alone(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "hello"), replied("m2", "", kind="hidden_context_item"))
    log.add(ONE, replied("m3", "", kind="a kind of a later release"), replied("m4", "", kind="widget"))
    async with live(dsn, History(), log.records) as view:
        for page in (
            await history.page(view, SHARD, ONE, 10),
            await history.page(view, SHARD, ONE, 10, after=0),
            await history.page_of_user(view, SHARD, "ada", 10),
            await history.page_of_user(view, SHARD, "ada", 10, after=0),
        ):
            assert [each.message_id for each in page] == ["m1", "m4"]
        everything = await history.entries_after(view, SHARD, "ada", ONE, 10)
        assert [each.message_id for each in everything] == ["m1", "m2", "m3", "m4"]
        assert await history.entries_before(view, SHARD, "ada", ONE, 10) == everything[::-1]
        assert await history.entries_after(view, SHARD, "bob", ONE, 10) == []


def test_the_version_names_the_taggers_whatever_their_order() -> None:
    assert History().version == "1"
    assert History({"a": "x", "b": "y"}).version == History({"b": "y", "a": "x"}).version
    assert len({History({}).version, History({"a": "x"}).version, History({"a": "y"}).version}) == 3
