"""Events are stored as JSON under a topic that never changes; what was released once is read for ever."""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events
from domain.errors import EventUnreadable
from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationEvent,
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
from domain.recorded import Foreign, Redacted
from service.store.codec import CODEC, UPCASTERS, Codec, Raw, decode, encode, message_id_of

GOLDEN = Path(__file__).parents[2] / "golden"

# What each golden file holds. A file is never edited: a new version of an event gets a new file, and the old
# file's line here changes to what the upcasters make of it.
EXPECTED: dict[str, Event] = {
    "conversation_started.v1": ConversationStarted(
        title="Resetting a password",
        links=(Link("opportunity", "opp_42"), Link("order", "2026/7")),
        metadata={"source": "web", "beta": True, "weights": [1, 2.5, -3], "nested": {"nothing": None}},
    ),
    "conversation_started.v1.minimal": ConversationStarted(),
    "conversation_started.v1.named": ConversationStarted(name="thr_Ünïque 42"),
    "message_added.v1": MessageAdded(
        message_id="0199a000-0000-7000-8000-000000000002",
        role="assistant",
        content='Line one\nline “two” with a \0 NUL, a tab\t, 日本語, é, 👩\u200d👧 and a \\ and a "quote".',
        kind="widget",
        is_fortune=True,
        metadata={"model": "m-1", "temperature": 0.5, "big": 18446744073709551615},
        in_reply_to="0199a000-0000-7000-8000-000000000001",
        status="interrupted",
        tokens=42,
        payload=Payload(schema="chatkit.item/1", data={"type": "widget", "children": [{"text": "Hi"}]}),
    ),
    "message_added.v1.minimal": MessageAdded(message_id="m1", role="user", content="Hello"),
    "message_added.v1.item": MessageAdded(
        message_id="fc_0199a000000070008000000000000003",
        role="assistant",
        content='get_weather({"city":"Zürich"})',
        kind="tool_call",
        is_fortune=True,
        metadata={"run": "r-1"},
        in_reply_to="0199a000-0000-7000-8000-000000000001",
        status="interrupted",
        tokens=7,
        payload=Payload(
            "openai.item.v1",
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": '{"city":"Zürich"}',
                "status": "incomplete",
                "later": {"nul": "\0", "deep": [[1.5, -0.0, None]]},
            },
        ),
    ),
    "message_added.v1.instructions.minimal": MessageAdded(
        message_id="msg_1", role="developer", content="Be brief.", kind="instructions"
    ),
    "message_added.v1.reasoning.minimal": MessageAdded(
        message_id="rs_1",
        role="assistant",
        content="",
        kind="reasoning",
        payload=Payload(
            "openai.item.v1",
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
        ),
    ),
    "message_added.v1.tool_output.minimal": MessageAdded(
        message_id="fco_1",
        role="tool",
        content="12 °C",
        kind="tool_output",
        payload=Payload(
            "openai.item.v1",
            {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": "12 °C"},
        ),
    ),
    "message_added.v1.unknown.minimal": MessageAdded(
        message_id="mood_1",
        role="unknown",
        content="",
        kind="item",
        payload=Payload("openai.item.v1", {"type": "mood", "id": "mood_1"}),
    ),
    "message_revised.v1": MessageRevised(
        message_id="m1",
        content="Hello again",
        kind="workflow",
        metadata={"done": True},
        status="interrupted",
        payload=Payload(schema="chatkit.item/1", data={"type": "workflow"}),
    ),
    "message_revised.v1.minimal": MessageRevised(message_id="m1", content="Hello again"),
    "message_removed.v1": MessageRemoved(message_id="m1"),
    "message_rated.v1": MessageRated(message_id="m1", rating="positive", comment="Thank you"),
    "message_rated.v1.minimal": MessageRated(message_id="m1", rating="negative"),
    "reply_failed.v1": ReplyFailed(in_reply_to="m1", reason="the model did not answer in 30 s"),
    "conversation_renamed.v1": ConversationRenamed(title="Another title"),
    "metadata_changed.v1": MetadataChanged(metadata={"stage": "won"}),
    "conversation_linked.v1": ConversationLinked(link=Link("opportunity", "opp_42")),
    "conversation_unlinked.v1": ConversationUnlinked(link=Link("opportunity", "opp_42")),
    "session_ended.v1": SessionEnded(reason="closed by the user"),
    "session_ended.v1.minimal": SessionEnded(),
    "session_reopened.v1": SessionReopened(reason="one more question"),
    "session_reopened.v1.minimal": SessionReopened(),
    "conversation_anonymised.v1": ConversationAnonymised(
        requested_by="retention",
        reason="90 days without activity",
        counts={"messages": 2, "titles": 1},
        rewritten="5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    ),
    "conversation_anonymised.v1.minimal": ConversationAnonymised(requested_by="ada", reason="asked"),
    "conversation_erased.v1": ConversationErased(
        requested_by="ada", reason="asked for it", counts={"messages": 2}
    ),
    "conversation_erased.v1.minimal": ConversationErased(requested_by="ada", reason="asked"),
}
FILES = sorted(path.stem for path in GOLDEN.glob("*.json"))

numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(st.text(), values, max_size=3)
st.register_type_strategy(Payload, st.builds(Payload, schema=st.text(), data=metadata))
some_event = st.one_of(
    [
        st.builds(event, **{name: metadata for name in ("metadata",) if name in event.__struct_fields__})
        for event in get_args(ConversationEvent)
    ]
)


def topic_of_file(name: str) -> str:
    """The first version's topic has no number."""
    topic, version = name.split(".")[:2]
    return topic if version == "v1" else f"{topic}.{version}"


def stored(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def test_every_golden_file_says_what_it_holds() -> None:
    assert sorted(EXPECTED) == FILES


@pytest.mark.parametrize("name", FILES)
def test_what_was_stored_once_is_read_for_ever(name: str) -> None:
    assert decode(topic_of_file(name), stored(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name in FILES if topic_of_file(name) in CODEC.types])
def test_what_is_current_is_stored_as_it_was_byte_for_byte(name: str) -> None:
    assert encode(EXPECTED[name]) == (topic_of_file(name), stored(name))
    assert encode(decode(topic_of_file(name), stored(name))) == (topic_of_file(name), stored(name))


@pytest.mark.parametrize("topic", [*CODEC.types, *UPCASTERS])
def test_every_topic_has_a_golden_file(topic: str) -> None:
    assert topic in {topic_of_file(name) for name in FILES if not name.endswith(".minimal")}


@pytest.mark.parametrize("name", FILES)
def test_every_golden_topic_is_known(name: str) -> None:
    assert topic_of_file(name) in {*CODEC.types, *UPCASTERS}


@pytest.mark.parametrize("topic", CODEC.types)
def test_the_golden_files_of_an_event_leave_no_field_out(topic: str) -> None:
    """A field that was added later is in a file that was added with it: what is there stays as it is."""
    told = {field for name in FILES if topic_of_file(name) == topic for field in json.loads(stored(name))}
    assert told == {"event", *CODEC.types[topic].__struct_encode_fields__}


def test_every_event_of_the_domain_is_stored() -> None:
    classes = {each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)}
    assert classes - {Event} == set(get_args(ConversationEvent)) == set(CODEC.types.values())


@settings(deadline=None)
@given(some_event)
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    topic, state = encode(event)
    assert decode(topic, state) == event
    assert encode(decode(topic, state)) == (topic, state)


def test_an_erased_state_is_read_as_redacted() -> None:
    assert decode("message_added", None) == Redacted(topic="message_added")
    assert decode("crm.noted", None) == Redacted(topic="crm.noted")


def test_a_topic_that_is_not_ours_is_carried_as_it_is() -> None:
    foreign = Foreign(topic="crm.noted", state=b"\x00not json")
    assert decode("crm.noted", foreign.state) == foreign
    assert encode(foreign) == ("crm.noted", foreign.state)


def test_erased_words_cannot_be_stored_again() -> None:
    with pytest.raises(TypeError, match="Redacted"):
        encode(Redacted(topic="message_added"))


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"{}", b'{"event":"message_removed"}', b'"\xff"'])
def test_a_state_that_cannot_be_read_says_which_event_it_was(state: bytes) -> None:
    with pytest.raises(EventUnreadable, match="A stored message_added event cannot be read: ") as broken:
        decode("message_added", state)
    assert broken.value.facts["topic"] == "message_added"


def test_a_state_may_come_as_a_view_of_a_buffer() -> None:
    topic, state = encode(SessionEnded())
    assert decode(topic, memoryview(state)) == SessionEnded()  # type: ignore[arg-type]
    assert decode("crm.noted", memoryview(b"x")) == Foreign(topic="crm.noted", state=b"x")  # type: ignore[arg-type]


def test_a_message_is_found_by_its_own_events_only() -> None:
    about = {type(event) for event in EXPECTED.values() if message_id_of(event) is not None}
    assert about == {MessageAdded, MessageRevised, MessageRemoved, MessageRated}
    assert message_id_of(EXPECTED["message_removed.v1"]) == "m1"
    assert message_id_of(Redacted(topic="message_added")) is None


def test_a_field_that_is_added_with_a_default_leaves_old_states_readable() -> None:
    class Removed(Event, frozen=True, tag="message_removed"):
        message_id: str
        because: str = "no reason was kept"

    assert Codec((Removed,), {}).decode("message_removed", stored("message_removed.v1")) == Removed("m1")


class RatedNow(Event, frozen=True, tag="message_rated.v3"):
    message_id: str
    stars: int
    words: str | None


def words_instead_of_comment(raw: Raw) -> Raw:
    return {"words": raw.get("comment"), "message_id": raw["message_id"], "rating": raw["rating"]}


def stars_instead_of_rating(raw: Raw) -> Raw:
    return {
        "words": raw["words"],
        "message_id": raw["message_id"],
        "stars": {"positive": 5, "negative": 1}[raw["rating"]],
    }


RATED = Codec(
    (RatedNow,),
    {
        "message_rated": ("message_rated.v2", words_instead_of_comment),
        "message_rated.v2": ("message_rated.v3", stars_instead_of_rating),
    },
)


def test_an_old_version_is_read_through_every_version_since() -> None:
    assert RATED.decode("message_rated", stored("message_rated.v1")) == RatedNow("m1", 5, "Thank you")
    assert RATED.decode("message_rated", stored("message_rated.v1.minimal")) == RatedNow("m1", 1, None)


def test_a_version_between_takes_only_the_steps_that_it_needs() -> None:
    state = b'{"event":"message_rated.v2","message_id":"m1","rating":"positive","words":null}'
    assert RATED.decode("message_rated.v2", state) == RatedNow("m1", 5, None)


def test_a_new_event_is_stored_in_its_newest_version() -> None:
    topic, state = RATED.encode(RatedNow("m1", 4, None))
    assert topic == "message_rated.v3"
    assert RATED.decode(topic, state) == RatedNow("m1", 4, None)


def test_an_upcaster_that_fails_leaves_the_event_unreadable() -> None:
    with pytest.raises(EventUnreadable):
        RATED.decode("message_rated", b'{"message_id":"m1","rating":"unheard of"}')


def nothing(raw: Raw) -> Raw:
    return raw


@pytest.mark.parametrize(
    "upcasters",
    [
        {"a": ("nowhere", nothing)},
        {"a": ("b", nothing), "b": ("a", nothing)},
        {"message_rated.v3": ("message_rated.v4", nothing)},
    ],
)
def test_upcasters_that_lead_to_no_event_are_found_at_once(upcasters: Any) -> None:
    with pytest.raises(ValueError, match="upcasters lead"):
        Codec((RatedNow,), upcasters)


def test_the_state_says_what_it_is_to_whoever_reads_it_without_us() -> None:
    topic, state = encode(MessageRemoved(message_id="m1"))
    assert msgspec.json.decode(state)["event"] == topic
