"""An entry of a list is the same to the byte, whether PostgreSQL writes it or msgspec does."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from domain.events import (
    ConversationAnonymised,
    ConversationRenamed,
    ConversationStarted,
    MessageRated,
    MessageRevised,
    SessionEnded,
)
from domain.message import SHOWN
from projections import conversations, history
from projections.conversations import Conversations, ListedConversation
from projections.history import History
from projections.reading.view import View
from service.api.answering.entries import MESSAGES, SESSION_MESSAGES, SESSIONS, SUMMARIES
from service.api.answering.wire import (
    Summary,
    encode,
    message,
    moment,
    raw,
    session,
    session_message,
)
from tests.projections.given import SHARD, Log, conversation, live, replied, user_said

ONE, TWO, THREE = map(conversation, (1, 2, 3))
ODD = [chr(point) for point in range(1, 0x300)]
ODD += list("\u2028\u2029\u200b\ufeff\ufffd\ufffe\uffff\U0001f30d\U0010ffff")
TIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(476, 9, 4, 12, 0, 0, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC),
    datetime(2026, 3, 14, 9, 26, 53, 120_000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
TAGGERS = {"fortune": "lucky", 'a "tag"\\': "Hello"}


async def shown_both_ways(view: View, user_id: str) -> int:
    """How many messages of the user's were compared."""
    of_one = await history.page(view, SHARD, ONE, 1_000)
    of_user = await history.page_of_user(view, SHARD, user_id, 1_000)
    for pages, shown in ((MESSAGES, message), (SESSION_MESSAGES, session_message)):
        one = await pages.of_conversation(view, SHARD, ONE, user_id, 1_000)
        everything = await pages.of_user(view, SHARD, user_id, 1_000)
        for page, rows in ((one, of_one), (everything, of_user)):
            assert page.number == len(rows) > 0
            assert page.own
            assert page.entries == b",".join(encode(shown(row)) for row in rows)
    return len(of_user)


async def test_a_message_of_every_kind_is_shown_the_same_both_ways(dsn: str) -> None:
    log = Log()
    for number, kind in enumerate((*SHOWN, "hidden_context_item")):
        log.add(ONE, replied(f"k{number}", "Hello", kind=kind))
    log.add(
        ONE,
        user_said("m1", "Hello, lucky one", metadata={"a": [1, 2.5, None, True, {"b": "c"}]}),
        user_said("m2", "Hi", is_fortune=True, in_reply_to="m1"),
        replied("m3", "The text so", status="interrupted", in_reply_to="m2"),
        replied("m4", ""),
        user_said("m5", "nul\0nul", metadata={"nul\0": "\0"}),
        MessageRevised("m2", "Hello again", "widget", metadata={}, status="complete"),
        MessageRated("m1", "up", "good"),
        MessageRated("m3", "down"),
        MessageRated("m5", "up", "\0"),
    )
    log.add(TWO, user_said("m1", "Hello"))
    log.add(THREE, user_said("m1", "Hello"), user_id="bob")
    async with live(dsn, History(TAGGERS), log.records) as view:
        assert await shown_both_ways(view, "ada") == len(SHOWN) + 5 + 1


async def test_a_time_is_shown_the_same_both_ways(dsn: str) -> None:
    log = Log()
    for number in range(len(TIMES)):
        log.add(ONE, user_said(f"m{number}", "Hello"))
    for number in range(len(TIMES)):
        log.add(ONE, MessageRevised(f"m{number}", "Hi", "message", metadata={}, status="complete"))
    records = [
        replace(each, recorded_at=TIMES[number % len(TIMES)]) for number, each in enumerate(log.records)
    ]
    async with live(dsn, History(), records) as view:
        assert await shown_both_ways(view, "ada") == len(TIMES)


async def test_every_odd_character_is_shown_the_same_both_ways(dsn: str) -> None:
    log, user_id = Log(), "".join(ODD[:200])
    for odd in ODD:
        log.add(
            ONE,
            user_said(f"m{odd}", f"{odd}\0", metadata={odd: [odd, f"\0{odd}"]}, in_reply_to=f"{odd}m"),
            MessageRated(f"m{odd}", odd, f"\0{odd}"),
            user_id=user_id,
        )
    async with live(dsn, History(), log.records) as view:
        assert await shown_both_ways(view, user_id) == len(ODD)


async def test_a_message_whose_user_was_made_anonymous_is_shown_the_same_both_ways(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "Hello", metadata={"a": 1}))
    log.add(ONE, ConversationAnonymised("policy", "age"), user_id="anonymous-7f")
    async with live(dsn, History(), log.records) as view:
        assert await shown_both_ways(view, "anonymous-7f") == 1


async def test_somebody_elses_page_says_so(dsn: str) -> None:
    log = Log().add(ONE, user_said("m1", "Hello"))
    async with live(dsn, History(), log.records) as view:
        page = await MESSAGES.of_conversation(view, SHARD, ONE, "bob", 10)
        nothing = await MESSAGES.of_conversation(view, SHARD, TWO, "ada", 10)
    assert (page.number, page.own) == (1, False)
    assert (nothing.number, nothing.own, nothing.entries, nothing.more) == (0, None, None, False)


def summary(row: ListedConversation) -> Summary:
    began, said_last = moment(row.started_at), moment(row.last_activity_at)
    ended, metadata = row.ended_at is not None, raw(row.metadata)
    return Summary(
        row.conversation_id,
        row.user_id,
        row.title,
        began,
        said_last,
        ended,
        row.message_count,
        metadata,
        row.version,
        row.name,
    )


async def test_a_conversation_is_shown_the_same_both_ways(dsn: str) -> None:
    log, user_id = Log(), "".join(ODD[:200])
    events: list[list[Any]] = [
        [ConversationStarted()],
        [ConversationStarted(title="".join(ODD)), SessionEnded("solved")],
        [ConversationStarted(metadata={"nul\0": "".join(ODD)}), user_said("m1", "Will I be lucky?")],
        [ConversationStarted(), user_said("m1", f"{''.join(ODD)[:50]}\0")],
        [ConversationStarted(title="Given"), ConversationRenamed("\u2028Renamed")],
    ]
    events += [[ConversationStarted(title=odd)] for odd in ODD]
    for number, told in enumerate(events, start=1):
        log.add(conversation(number), *told, user_id=user_id)
    records = [
        replace(each, recorded_at=TIMES[number % len(TIMES)]) for number, each in enumerate(log.records)
    ]
    async with live(dsn, Conversations(), records) as view:
        rows = await conversations.page(view, SHARD, user_id, 1_000)
        for pages, shown in ((SUMMARIES, summary), (SESSIONS, session)):
            page = await pages.of_user(view, SHARD, user_id, 1_000)
            assert page.entries == b",".join(encode(shown(row)) for row in rows)
            assert page.number == len(rows) == len(events)
