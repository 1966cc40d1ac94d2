"""Every event there is becomes a sentence, which says what happened and nothing that is gone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import fold
from domain.events import (
    ConversationEvent,
    Event,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
)
from domain.recorded import Foreign, Recorded, Redacted, Unreadable
from service.audit.before_and_after import PastState, taken
from service.audit.words import QUOTED, WITHOUT_WORDS, Redaction, in_words
from service.store.codec import decode, topic_of
from tests.projections.given import histories, redacted

GOLDEN = Path(__file__).parents[2] / "golden"
TOPICS = {topic_of(event) for event in get_args(ConversationEvent)}
ADDED = (
    "The assistant added a widget: “Line one line “two” with a \0 NUL, a tab , 日本語, é, 👩\u200d👧 "
    'and a \\ and a "quote".”'
)
SENTENCES = {
    "conversation_anonymised.v1": "The conversation was anonymised for retention: 90 days without activity",
    "conversation_anonymised.v1.minimal": "The conversation was anonymised for ada: asked",
    "conversation_erased.v1": "The conversation was erased for ada: asked for it",
    "conversation_erased.v1.minimal": "The conversation was erased for ada: asked",
    "conversation_linked.v1": "The conversation was linked to opportunity opp_42",
    "conversation_renamed.v1": "The title was set to “Another title”",
    "conversation_started.v1": "The conversation “Resetting a password” was started, linked to "
    "opportunity opp_42 and order 2026/7",
    "conversation_started.v1.minimal": "The conversation was started",
    "conversation_started.v1.named": "The conversation was started by the name “thr_Ünïque 42”",
    "conversation_unlinked.v1": "The link to opportunity opp_42 was removed",
    "message_added.v1": ADDED,
    "message_added.v1.minimal": "ann said “Hello”",
    "message_added.v1.item": 'The assistant called a tool: “get_weather({"city":"Zürich"})”',
    "message_added.v1.instructions.minimal": "The developer gave instructions: “Be brief.”",
    "message_added.v1.reasoning.minimal": "The assistant reasoned",
    "message_added.v1.tool_output.minimal": "The tool returned an output: “12 °C”",
    "message_added.v1.unknown.minimal": "Someone added an item",
    "message_rated.v1": "A message was rated “positive”, with the comment “Thank you”",
    "message_rated.v1.minimal": "A message was rated “negative”",
    "message_removed.v1": "A message was removed",
    "message_revised.v1": "A message was changed to “Hello again”",
    "message_revised.v1.minimal": "A message was changed to “Hello again”",
    "metadata_changed.v1": "The metadata was changed: stage added",
    "reply_failed.v1": "A reply failed: the model did not answer in 30 s",
    "session_ended.v1": "The session was ended: closed by the user",
    "session_ended.v1.minimal": "The session was ended",
    "session_reopened.v1": "The session was reopened: one more question",
    "session_reopened.v1.minimal": "The session was reopened",
}


def recorded(event: Event, version: int = 1, user_id: str | None = "ann") -> Recorded:
    at = datetime(2026, 3, 14, tzinfo=UTC)
    return Recorded(0, version, UUID(int=1), version, event, at, user_id, user_id)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_stored_event_has_its_sentence(path: Path) -> None:
    event = decode(path.stem.partition(".")[0], path.read_bytes())
    assert in_words(recorded(event), PastState()) == SENTENCES[path.stem]


def test_every_event_has_words_and_words_for_when_they_are_gone() -> None:
    assert {name.partition(".")[0] for name in SENTENCES} == TOPICS
    assert WITHOUT_WORDS.keys() == TOPICS


HELLO = MessageAdded(message_id="m", role="user", content="Hello")
CALL = MessageAdded(message_id="m", role="assistant", content="look(up)", kind="tool_call")
APPROVAL = MessageAdded(message_id="m", role="user", content="approved", kind="approval")


def test_an_approval_is_asked_for_and_answered() -> None:
    assert in_words(recorded(APPROVAL)) == "ann answered a request for approval: “approved”"
    asked = MessageAdded(message_id="m", role="assistant", content="delete(all)", kind="approval")
    assert in_words(recorded(asked)) == "The assistant asked for approval: “delete(all)”"


def test_what_nobody_said_is_called_what_it_is() -> None:
    standing = PastState()
    taken(standing, recorded(CALL))
    assert in_words(recorded(MessageRemoved("m"), 2), standing) == "The tool call, “look(up)”, was removed"


def test_what_was_there_before_is_told() -> None:
    standing = PastState()
    for event, words in (
        (HELLO, "ann said “Hello”"),
        (MessageRevised(message_id="m", content="Bye"), "What ann said, “Hello”, was changed to “Bye”"),
        (
            MessageRevised(message_id="m", content="Bye", metadata={"a": 1}, status="interrupted"),
            "What ann said, “Bye”, was kept in its words; its metadata and status changed",
        ),
        (MessageRated(message_id="m", rating="up"), "What ann said, “Bye”, was rated “up”"),
        (
            MessageRated(message_id="m", rating="down", comment="No"),
            "What ann said, “Bye”, was rated “down” instead of “up”, with the comment “No”",
        ),
        (MessageRemoved(message_id="m"), "What ann said, “Bye”, was removed"),
        (MetadataChanged(metadata={"a": 1, "b": 1}), "The metadata was changed: a and b added"),
        (
            MetadataChanged(metadata={"b": True, "c": 1}),
            "The metadata was changed: c added, a removed, b changed",
        ),
    ):
        assert in_words(recorded(event), standing) == words
        taken(standing, recorded(event))


def test_what_was_interrupted_is_told_as_that() -> None:
    half = MessageAdded(message_id="m", role="assistant", content="Hel", status="interrupted")
    assert in_words(recorded(half)) == "The assistant was interrupted after saying “Hel”"


@given(text=st.text(max_size=1_000))
def test_a_sentence_quotes_the_beginning_on_one_line(text: str) -> None:
    words = in_words(recorded(MessageAdded(message_id="m", role="user", content=text)))
    quoted = words.removeprefix("ann said “").removesuffix("”")
    assert len(quoted) <= QUOTED + 1
    assert " ".join(text.split()).startswith(quoted.removesuffix("…"))
    assert "\n" not in quoted


@pytest.mark.parametrize("redaction", ["erased", "anonymised"])
@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_what_is_gone_is_told_as_gone(topic: str, redaction: Redaction) -> None:
    words = in_words(recorded(Redacted(topic=f"{topic}.v7")), None, redaction)
    assert words.startswith(WITHOUT_WORDS[topic])
    assert redaction in words


def test_what_hansard_does_not_know_is_told_by_its_name() -> None:
    assert (
        in_words(recorded(Foreign(topic="other.app", state=b"\0")))
        == "Another application recorded other.app"
    )
    broken = Unreadable(topic="message_added", error="bad")
    assert in_words(recorded(broken)).startswith("message_added was recorded, which this version")


@given(history=histories, gone=st.booleans())
def test_what_is_told_of_any_history_is_what_the_domain_makes_of_it(
    history: list[Recorded], gone: bool
) -> None:
    for conversation_id in {each.conversation_id for each in history}:
        events = [each for each in history if each.conversation_id == conversation_id]
        standing, state = PastState(), None
        for each in redacted(events) if gone else events:
            assert in_words(each, standing)
            taken(standing, each)
            state = fold([each], state)
            assert state is not None
            assert (standing.title, standing.links, standing.metadata, standing.ended) == (
                state.title,
                state.links,
                state.metadata,
                state.ended,
            )
