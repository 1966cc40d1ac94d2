"""What a message's own events make of it."""

import pytest

from domain.errors import HistoryIsBroken
from domain.events import (
    Event,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    Payload,
    SessionEnded,
)
from domain.message import Message, fold_message
from domain.recorded import Redacted
from tests.domain.scenario import ANSWER, QUESTION, message, recorded

REVISED = MessageRevised(message_id="m1", content="New", kind="widget", metadata={"a": 1})
REMOVED = MessageRemoved(message_id="m1")


def test_a_message_without_events_is_not_there() -> None:
    assert fold_message([]) is None


def test_a_message_is_what_was_added_and_knows_its_place() -> None:
    added = MessageAdded(
        message_id="m1",
        role="assistant",
        content="Hello",
        kind="widget",
        is_fortune=True,
        metadata={"a": 1},
        in_reply_to="m0",
        status="interrupted",
        tokens=7,
        payload=Payload("chatkit", {"x": []}),
    )
    assert message(added) == Message(
        id="m1",
        version=2,
        role="assistant",
        content="Hello",
        kind="widget",
        is_fortune=True,
        metadata={"a": 1},
        in_reply_to="m0",
        status="interrupted",
        tokens=7,
        payload=Payload("chatkit", {"x": []}),
    )


def test_a_revised_message_keeps_its_place_and_its_role() -> None:
    assert message(QUESTION, REVISED) == Message(
        id="m1", version=2, role="user", content="New", kind="widget", metadata={"a": 1}
    )


def test_a_message_has_its_last_rating() -> None:
    rated = message(
        QUESTION,
        MessageRated(message_id="m1", rating="up", comment="good"),
        MessageRated(message_id="m1", rating="down"),
    )
    assert rated is not None
    assert (rated.rating, rated.comment) == ("down", None)


def test_a_removed_message_is_known_as_removed() -> None:
    removed = message(QUESTION, REMOVED)
    assert removed is not None
    assert removed.removed


@pytest.mark.parametrize("topic", ["message_added", "message_added.v2"])
def test_a_message_whose_words_were_erased_is_not_there(topic: str) -> None:
    assert message(Redacted(topic=topic), Redacted(topic="message_rated")) is None


def test_a_message_whose_last_words_were_erased_is_not_there() -> None:
    assert message(QUESTION, Redacted(topic="message_revised")) is None


def test_a_message_stays_when_only_what_was_said_about_it_was_erased() -> None:
    assert message(QUESTION, Redacted(topic="message_rated")) == message(QUESTION)


@pytest.mark.parametrize(
    "history", [[REVISED], [QUESTION, ANSWER], [QUESTION, REMOVED, REVISED], [QUESTION, SessionEnded()]]
)
def test_events_that_do_not_fit_break_the_history(history: list[Event]) -> None:
    with pytest.raises(HistoryIsBroken):
        fold_message(recorded(history))
