"""Conversations from elsewhere become conversations here: whole, once, with the times that they had."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from domain.content import Limits
from domain.errors import NameIsTaken
from domain.events import (
    ConversationErased,
    ConversationStarted,
    Event,
    MessageAdded,
    MessageRated,
    SessionEnded,
)
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import Database
from service.transfer.importing import Destination, destination, import_conversations
from service.transfer.incoming import Incoming, Skipped
from service.transfer.report import TransferReport
from tests.service.store.appending import asked, rows, storing

THEN = datetime(2024, 2, 29, 12, tzinfo=UTC)
TALK = UUID("3f0c1c36-3e5f-4a9e-9a39-0f5a7f3a0b01")


def said(number: int, role: str = "user") -> MessageAdded:
    return MessageAdded(message_id=f"m{number}", role=role, content=f"word {number}")  # type: ignore[arg-type]


def talk(*events: Event, user_id: str = "ann", id: UUID = TALK, where: str = "") -> Incoming:
    told = (ConversationStarted(title="Once"), *events)
    return Incoming(
        user_id, id, [(THEN + timedelta(minutes=at), event) for at, event in enumerate(told)], where=where
    )


@contextmanager
def into(dsn: str, limits: Limits | None = None) -> Iterator[Destination]:
    with destination(Database.open(dsn), projections_of(Settings()), limits or Limits()) as made:
        yield made


def taken(dsn: str, *arriving: Incoming | Skipped) -> TransferReport:
    with into(dsn) as place:
        return import_conversations(place, arriving)


def why(report: TransferReport) -> list[str]:
    return [each.why for each in report.skipped]


def log(dsn: str) -> list[tuple[object, ...]]:
    return rows(dsn, "SELECT conversation_id, version, topic, user_id, recorded_at FROM events ORDER BY 1, 2")


def test_a_conversation_keeps_its_words_and_its_times(dsn: str) -> None:
    report = taken(dsn, talk(said(1), said(2, "assistant"), SessionEnded()))
    assert (report.conversations, report.messages, report.events) == (1, 2, 4)
    topics = ["conversation_started", "message_added", "message_added", "session_ended"]
    assert log(dsn) == [
        (TALK, at + 1, topic, "ann", THEN + timedelta(minutes=at)) for at, topic in enumerate(topics)
    ]
    assert rows(dsn, "SELECT recorded_at FROM history_g1 ORDER BY position LIMIT 1") == [
        (THEN + timedelta(minutes=1),)
    ]


def test_imported_again_nothing_is_added(dsn: str) -> None:
    taken(dsn, talk(said(1)))
    before = log(dsn)
    again = taken(dsn, talk(said(1)))
    assert (again.conversations, again.there_already, again.skipped) == (0, 1, [])
    assert log(dsn) == before


def test_one_that_was_cut_off_goes_on_where_it_was(dsn: str) -> None:
    taken(dsn, talk(said(1)))
    report = taken(dsn, talk(said(1), said(2), said(3)))
    assert (report.conversations, report.messages) == (1, 2)
    taken(dsn, talk(said(1), said(2), said(3)))
    assert [row[1] for row in log(dsn)] == [1, 2, 3, 4]


def test_one_that_went_on_here_is_told_and_not_doubled(dsn: str) -> None:
    taken(dsn, talk(said(1), said(2)))
    report = taken(dsn, talk(said(1)))
    assert why(report) == ["it went on here: to version 3, from 2"]
    assert len(log(dsn)) == 3


def test_one_that_is_another_here_is_told_and_left_alone(dsn: str) -> None:
    taken(dsn, talk(said(1), said(2)))
    report = taken(dsn, talk(said(1), said(7), said(8)))
    assert why(report) == ["version 3 is not what is here"]
    assert len(log(dsn)) == 3


def test_one_that_was_erased_here_is_not_brought_back(dsn: str) -> None:
    taken(dsn, talk(said(1)))
    with storing(dsn) as store:
        store.append_blocking(asked(store, TALK, [ConversationErased(requested_by="ann", reason="so")]))
    assert why(taken(dsn, talk(said(1)))) == ["it was erased here"]
    assert len(log(dsn)) == 3


def test_another_users_conversation_is_not_touched(dsn: str) -> None:
    with storing(dsn) as store:
        other = next(name for name in map(str, range(99)) if store.shard_of(name) == store.shard_of("ann"))
    taken(dsn, talk(said(1)))
    assert why(taken(dsn, talk(said(1), user_id=other))) == [
        "here it is another user's, or nobody's any more"
    ]
    assert len(log(dsn)) == 2


BROKEN: list[tuple[str, Iterable[Event], str]] = [
    ("message twice", (said(1), said(1)), "Another message with the id m1"),
    ("rating of nothing", (MessageRated("m1", "good"),), "There is no message m1"),
    ("words after the end", (SessionEnded(), said(1)), "The session has ended"),
    ("started twice", (ConversationStarted(),), "cannot come after the first event"),
    ("erased but speaking", (said(1), ConversationErased("ann", "so")), "still says something"),
    ("too long", (MessageAdded("m1", "user", "x" * 1_000_001),), "1000001 bytes long"),
    ("no role of ours", (MessageAdded("m1", "narrator", "x"),), "it must be one of"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("events", "told"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_what_could_not_have_been_decided_here_is_left_out_whole(
    dsn: str, events: Iterable[Event], told: str
) -> None:
    other = uuid4()
    report = taken(dsn, talk(*events, where="line 3"), talk(said(1), id=other))
    assert [(each.where, each.what) for each in report.skipped] == [("line 3", f"conversation {TALK}")]
    assert told in report.skipped[0].why
    assert {row[0] for row in log(dsn)} == {other}


def test_the_future_is_not_imported(dsn: str) -> None:
    soon = datetime.now(UTC) + timedelta(days=400)
    report = taken(dsn, Incoming("ann", TALK, [(soon, ConversationStarted())]))
    assert "yet to come" in report.skipped[0].why
    assert log(dsn) == []


def test_what_a_reader_left_out_is_in_the_report(dsn: str) -> None:
    assert taken(dsn, Skipped("line 1", "a picture", "it has no words")).skipped_total == 1


def test_very_many_are_stored_in_order(dsn: str) -> None:
    def many() -> Iterator[Incoming]:
        for number in range(300):
            yield talk(*map(said, range(20)), id=uuid5(TALK, str(number)), user_id=f"user {number % 7}")

    with into(dsn) as place:
        report = import_conversations(place, many())
    assert (report.conversations, report.messages) == (300, 6_000)
    for name in (f"user {number}" for number in range(7)):
        found = rows(
            dsn,
            "SELECT conversation_id FROM events WHERE user_id = %s AND version = 1 ORDER BY position",
            name,
        )
        wanted = [uuid5(TALK, str(number)) for number in range(300) if f"user {number % 7}" == name]
        assert [row[0] for row in found] == wanted


def test_a_name_that_another_conversation_has_is_told_and_the_other_stays(dsn: str) -> None:
    def named(id: UUID) -> Incoming:
        return Incoming("ann", id, [(THEN, ConversationStarted(name="thr_abc")), (THEN, said(1))])

    report = taken(dsn, named(TALK), named(uuid4()), talk(said(1), id=uuid4()))
    assert report.conversations == 2
    assert why(report) == [str(NameIsTaken(conversation_id=TALK))]
    assert rows(dsn, "SELECT user_id, name, conversation_id FROM names") == [("ann", "thr_abc", TALK)]
