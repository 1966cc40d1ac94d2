"""Everybody finds their own words, and nothing else."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from psycopg import Connection

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    MessageAdded,
    MessageRemoved,
    MessageRevised,
)
from domain.recorded import Recorded
from projections.reading.view import View
from projections.search import LONGEST_TEXT, MOST_BYTES, After, Row, Search, find, searchable
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

ONE, TWO = conversation(1), conversation(2)
SEARCH = Search()


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection[Any]]:
    with tables(dsn, SEARCH) as connection:
        yield connection


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_batches())
def test_what_can_be_found_equals_a_plain_fold_also_after_erasing_and_anonymising(
    connection: Connection[Any], batches: list[list[Recorded]]
) -> None:
    log = [recorded for batch in batches for recorded in batch]
    with undone(connection):
        project(connection, SEARCH, batches)
        assert stored(connection, SEARCH.table) == plain(log)
    with undone(connection):
        project(connection, SEARCH, [redacted(log)])
        assert stored(connection, SEARCH.table) == plain(log)


def plain(log: Iterable[Recorded]) -> list[Row]:
    rows: dict[Any, Row] = {}
    for r in log:
        e = r.event
        if isinstance(e, MessageAdded):
            text = plain_text(e)
            rows[r.conversation_id, e.message_id] = Row(
                r.shard,
                r.conversation_id,
                e.message_id,
                r.position,
                r.user_id or "",
                e.role,
                r.recorded_at,
                text,
            )
        elif isinstance(e, MessageRevised):
            rows[r.conversation_id, e.message_id].content = plain_text(e)
        elif isinstance(e, MessageRemoved):
            del rows[r.conversation_id, e.message_id]
        elif isinstance(e, ConversationErased):
            rows = {key: row for key, row in rows.items() if key[0] != r.conversation_id}
        elif isinstance(e, ConversationAnonymised):
            for key, row in rows.items():
                if key[0] == r.conversation_id:
                    row.user_id = r.user_id or ""
    return [rows[key] for key in sorted(rows)]


def plain_text(message: MessageAdded | MessageRevised) -> str:
    if message.kind in ("hidden_context_item", "tool_call"):
        return ""
    return message.content.replace("\0", " ").replace("<", "\x04")


async def found(view: View, text: str, user_id: str = "ada", **how: Any) -> list[str]:
    return [each.message_id for each in await find(view, "simple", SHARD, user_id, text, 10, **how)]


async def test_a_user_finds_her_own_words_in_all_her_conversations_and_nobody_elses(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "Will I be lucky?")).add(TWO, replied("m2", "Lucky you"))
    log.add(conversation(3), user_said("m3", "lucky"), user_id="bob")
    async with live(dsn, SEARCH, log.records) as view:
        assert sorted(await found(view, "LUCKY")) == ["m1", "m2"]
        assert await found(view, "lucky", user_id="bob") == ["m3"]
        assert await found(view, "lucky", user_id="eve") == []
        assert await found(view, "unlucky") == []


async def test_what_only_the_server_sees_is_not_found(dsn: str) -> None:
    log = Log().add(
        ONE,
        replied("m1", "secret", kind="hidden_context_item"),
        replied("m2", "secret", kind="a kind of a later release"),
        replied("m3", "no secret", kind="widget"),
        replied("m4", "secret"),
        MessageRevised("m4", "secret", kind="sdk_hidden_context"),
    )
    async with live(dsn, SEARCH, log.records) as view:
        assert await found(view, "secret") == ["m3"]


async def test_the_text_is_taken_as_search_engines_do(dsn: str) -> None:
    log = Log().add(
        ONE, user_said("m1", "the red fox"), user_said("m2", "the fox is red"), user_said("m3", "cat")
    )
    async with live(dsn, SEARCH, log.records) as view:
        assert sorted(await found(view, "red fox")) == ["m1", "m2"]
        assert await found(view, '"red fox"') == ["m1"]
        assert await found(view, "fox -is") == ["m1"]
        assert sorted(await found(view, "is or cat")) == ["m2", "m3"]
        assert await found(view, "-fox") == ["m3"]


@pytest.mark.parametrize(
    "text", ["", "   ", "!!!", "'", "\\", "\0", '"', "a:*", "& | !", "ada", " ada", "' ada'"]
)
async def test_a_search_for_no_word_of_hers_finds_nothing(dsn: str, text: str) -> None:
    async with live(dsn, SEARCH, Log().add(ONE, user_said("m1", "hello")).records) as view:
        assert await found(view, text) == []


@pytest.mark.parametrize(
    "user_id",
    ["o'neil", "back\\slash", " blank ", "a&b|!c:*", "Ünïcødé 🌍", "x" * 3000, "'", "user:ada", "<b>"],
)
async def test_whatever_is_in_a_users_id_she_finds_her_words(dsn: str, user_id: str) -> None:
    log = Log().add(ONE, user_said("m1", "hello"), user_id=user_id)
    log.add(TWO, user_said("m2", f"hello {user_id} {user_id[1:]} '{user_id}'"), user_id="eve")
    log.add(conversation(3), user_said("m3", "hello"), user_id=user_id + "y")
    async with live(dsn, SEARCH, log.records) as view:
        assert await found(view, "hello", user_id=user_id) == ["m1"]


async def test_a_search_is_narrowed_by_role_time_and_conversation(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "hello"), replied("m2", "hello")).add(TWO, user_said("m3", "hello"))
    async with live(dsn, SEARCH, log.records) as view:
        second = log.records[1].recorded_at
        assert sorted(await found(view, "hello", role="user")) == ["m1", "m3"]
        assert sorted(await found(view, "hello", since=second)) == ["m2", "m3"]
        assert await found(view, "hello", until=second) == ["m1"]
        assert await found(view, "hello", since=START, until=START) == []
        assert await found(view, "hello", conversation_ids=[TWO]) == ["m3"]
        assert await found(view, "hello", conversation_ids=[]) == []


@pytest.mark.parametrize("order", ["best", "newest"])
async def test_pages_of_either_order_give_everything_once(dsn: str, order: Any) -> None:
    log = Log()
    for n in range(1, 30):
        log.add(ONE, user_said(f"m{n}", "lucky " * (n % 4 + 1) + "and more " * (n % 3)))
    async with live(dsn, SEARCH, log.records) as view:
        whole = await find(view, "simple", SHARD, "ada", "lucky", 100, order)
        assert len(whole) == 29
        key = {"best": lambda f: (f.rank, f.position), "newest": lambda f: f.position}[order]
        assert whole == sorted(whole, key=key, reverse=True)
        paged = page = await find(view, "simple", SHARD, "ada", "lucky", 4, order)
        while page:
            after = After(page[-1].rank, page[-1].position)
            page = await find(view, "simple", SHARD, "ada", "lucky", 4, order, after=after)
            paged = paged + page
        assert paged == whole


async def test_a_snippet_marks_what_was_found_and_nothing_that_the_user_wrote(dsn: str) -> None:
    content = "Lucky \x02forged\x03 \x04b> <mark>me</mark> & <script>alert('lucky')</script> 1 < 2"
    async with live(dsn, SEARCH, Log().add(ONE, user_said("m1", content)).records) as view:
        [match] = await find(view, "simple", SHARD, "ada", "lucky", 10)
        assert match.html == (
            "<mark>Lucky</mark>  forged   b&gt; &lt;mark&gt;me&lt;/mark&gt; &amp; "
            "&lt;script&gt;alert(&#x27;<mark>lucky</mark>&#x27;)&lt;/script"
        )


async def test_a_snippet_of_a_long_text_is_short_and_from_where_it_was_found(dsn: str) -> None:
    content = "before " * 1_000 + "needle " + "after " * 1_000
    async with live(dsn, SEARCH, Log().add(ONE, user_said("m1", content)).records) as view:
        [match] = await find(view, "simple", SHARD, "ada", "needle", 10)
        assert "before <mark>needle</mark> after" in match.html
        assert len(match.html) < 500


async def test_revised_words_are_found_instead_of_the_old_ones_and_removed_ones_no_more(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "old"), user_said("m2", "old"), replied("m3", ""))
    log.add(ONE, MessageRevised("m1", "new"), MessageRemoved("m2"), MessageRevised("m3", "new"))
    async with live(dsn, SEARCH, log.records) as view:
        assert await found(view, "old") == []
        assert sorted(await found(view, "new")) == ["m1", "m3"]


async def test_an_anonymised_conversation_is_no_longer_among_her_words_and_an_erased_one_nowhere(
    dsn: str,
) -> None:
    log = Log().add(ONE, user_said("m1", "hello")).add(TWO, user_said("m2", "hello"))
    log.add(ONE, ConversationAnonymised("policy", "age"), user_id="anonymous-1")
    log.add(TWO, ConversationErased("ada", "asked"))
    async with live(dsn, SEARCH, log.records) as view:
        assert await found(view, "hello") == []
        assert await found(view, "hello", user_id="anonymous-1") == ["m1"]


async def test_english_finds_other_forms_of_a_word(dsn: str) -> None:
    async with live(dsn, Search("english"), Log().add(ONE, user_said("m1", "running")).records) as view:
        assert [f.message_id for f in await find(view, "english", SHARD, "ada", "run", 10)] == ["m1"]
        assert await find(view, "english", SHARD, "ada", "the", 10) == []


WIDE = "".join(chr(0x20000 + n) for n in range(30_000))
LONG = {
    "one word": "a" * 1_000_000,
    "many words": " ".join(str(n) for n in range(200_000)),
    "compounds": " ".join(f"{WIDE[n : n + 2]}-{WIDE[n + 1 : n + 3]}" for n in range(29_990)),
    "addresses": " ".join(f"x{n}.example.com/{n}" for n in range(50_000)),
    "blanks": " " * 1_000_000,
}


@pytest.mark.parametrize("content", LONG.values(), ids=LONG)
async def test_a_very_long_text_does_not_stop_the_projection(dsn: str, content: str) -> None:
    async with live(dsn, SEARCH, Log().add(ONE, user_said("m1", "findme " + content)).records) as view:
        assert await found(view, "findme") == ["m1"]


def test_of_a_very_long_text_the_beginning_can_be_found() -> None:
    assert searchable("x" * 2 * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert searchable("ü" * 2 * LONGEST_TEXT) == "ü" * LONGEST_TEXT
    assert searchable("🌍" * LONGEST_TEXT) == "🌍" * (MOST_BYTES // 4)


@pytest.mark.parametrize("language", ["", "Simple", "simple'", "a b", "simple\n", "a.b"])
def test_a_language_is_a_plain_name(language: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Search(language)


def test_another_language_is_another_version() -> None:
    assert Search("english").version != Search("simple").version
