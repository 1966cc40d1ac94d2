"""What a message may hold: whatever comes back as it was sent, within the limits, and nothing else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import (
    LIMITS,
    check_link,
    check_message,
    check_metadata,
    check_name,
    check_payload,
    check_text,
    check_words,
    same_json,
)
from domain.errors import (
    ContentEmpty,
    ContentNotText,
    ContentRefused,
    ContentTooLong,
    MetadataTooDeep,
    MetadataTooLarge,
    NameHasNul,
    NameTooLong,
    NotJson,
    NotOneOf,
    NumberOutOfRange,
)
from domain.events import Link, MessageAdded, Payload

any_text = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=40)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


def message(**given: Any) -> MessageAdded:
    return MessageAdded(**{"message_id": "m1", "role": "user", "content": "Hello", **given})


def accepts(check: Any, *given: Any) -> bool:
    try:
        check(*given)
    except ContentRefused:
        return False
    return True


def comes_back(value: Any) -> bool:
    try:
        return same_json(msgspec.json.decode(msgspec.json.encode(value)), value)
    except UnicodeEncodeError:
        return False


@settings(deadline=None)
@given(any_text)
def test_text_is_kept_exactly_if_it_can_be_stored_and_read_back(text: str) -> None:
    assert accepts(check_text, "content", text, 1_000) == comes_back(text)


@settings(deadline=None)
@given(st.dictionaries(any_text, plain_json, max_size=3))
def test_metadata_is_taken_only_if_it_comes_back_as_it_was(metadata: dict[str, Any]) -> None:
    if accepts(check_metadata, metadata):
        assert comes_back(metadata)


@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9), max_size=3)
)
def test_ordinary_metadata_is_taken(metadata: dict[str, Any]) -> None:
    check_metadata(metadata)


@pytest.mark.parametrize(
    "content", ["a\0b", "\0", "é\u0301", "👩\u200d👩\u200d👧", "\ufeff\ufffe\uffff", " ", "\u202e"]
)
def test_unusual_text_is_text(content: str) -> None:
    check_message(message(content=content))


@pytest.mark.parametrize(
    ("content", "at"), [("\ud800", 0), ("ab\udfff", 2), ("\udc00\ud800", 0), ("é\ud83d!", 1)]
)
def test_half_a_surrogate_pair_is_refused_by_field_and_place(content: str, at: int) -> None:
    with pytest.raises(ContentNotText) as refused:
        check_message(message(content=content))
    assert refused.value.facts == {"field": "content", "at": at}


def test_content_is_measured_in_bytes() -> None:
    check_message(message(content="é" * 500_000))
    with pytest.raises(ContentTooLong) as refused:
        check_message(message(content="é" * 500_000 + "!"))
    assert refused.value.facts == {"field": "content", "size": 1_000_001, "limit": 1_000_000}


def test_ascii_is_measured_in_bytes_too() -> None:
    check_message(message(content="x" * 1_000_000))
    with pytest.raises(ContentTooLong):
        check_message(message(content="x" * 1_000_001))


def test_a_person_says_something() -> None:
    with pytest.raises(ContentEmpty):
        check_message(message(content=""))


def test_a_model_may_have_nothing_to_say() -> None:
    check_message(message(content="", role="assistant"))
    check_message(message(content="", role="assistant", status="interrupted"))


def test_a_message_without_words_may_have_a_payload() -> None:
    check_message(message(content="", payload=Payload("chatkit", {"attachments": ["a1"]})))


@pytest.mark.parametrize(
    ("given", "refusal", "field"),
    [
        ({"message_id": ""}, ContentEmpty, "message_id"),
        ({"message_id": "m" * 256}, NameTooLong, "message_id"),
        ({"message_id": "m\0"}, NameHasNul, "message_id"),
        ({"message_id": "\ud800"}, ContentNotText, "message_id"),
        ({"in_reply_to": ""}, ContentEmpty, "in_reply_to"),
        ({"role": "system"}, NotOneOf, "role"),
        ({"status": "late"}, NotOneOf, "status"),
        ({"kind": ""}, ContentEmpty, "kind"),
        ({"kind": "k" * 65}, NameTooLong, "kind"),
        ({"tokens": -1}, NumberOutOfRange, "tokens"),
        ({"tokens": 2**31}, NumberOutOfRange, "tokens"),
        ({"metadata": {"a": {"b": "\ud800"}}}, ContentNotText, "metadata.a.b"),
        ({"metadata": {"a": [{"b": "\ud800"}]}}, ContentNotText, "metadata.a.b"),
        ({"metadata": {"\ud800": 1}}, ContentNotText, "a key of metadata"),
        ({"metadata": {"a": float("nan")}}, NotJson, "metadata.a"),
        ({"metadata": {"a": [float("inf")]}}, NotJson, "metadata.a"),
        ({"metadata": {"a": b"bytes"}}, NotJson, "metadata.a"),
        ({"metadata": {1: "a"}}, NotJson, "metadata"),
        ({"metadata": {"a": 2**64}}, NumberOutOfRange, "metadata.a"),
        ({"metadata": {"a": -(10**5_000)}}, NumberOutOfRange, "metadata.a"),
        ({"metadata": {"a": "x" * 16_384}}, MetadataTooLarge, "metadata"),
        ({"payload": Payload("", {})}, ContentEmpty, "payload.schema"),
        ({"payload": Payload("x", {"a": "\udfff"})}, ContentNotText, "payload.a"),
        ({"payload": Payload("x", {"a": "é" * 500_000})}, ContentTooLong, "payload"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_field(
    given: dict[str, Any], refusal: type[ContentRefused], field: str
) -> None:
    with pytest.raises(refusal) as refused:
        check_message(message(**given))
    assert refused.value.facts["field"] == field


def test_a_field_that_cannot_be_named_in_utf_8_is_named_all_the_same() -> None:
    with pytest.raises(ContentNotText) as refused:
        check_metadata({"\ud800": {"b": 1}})
    assert str(refused.value).encode()


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return dict(value)


def test_metadata_is_eight_levels_deep_at_most() -> None:
    check_metadata(nested(8))
    check_metadata({"a": [[[[[[[1]]]]]]]})
    for deep in (nested(9), {"a": [[[[[[[[1]]]]]]]]}):
        with pytest.raises(MetadataTooDeep) as refused:
            check_metadata(deep)
        assert refused.value.facts == {"field": "metadata", "limit": 8}


def test_a_payload_may_be_deeper_but_not_bottomless() -> None:
    check_payload(Payload("chatkit", nested(64)))
    with pytest.raises(MetadataTooDeep):
        check_payload(Payload("chatkit", nested(100_000)))


def test_names_are_counted_in_characters() -> None:
    check_name("title", "é" * 255, LIMITS.title)
    with pytest.raises(NameTooLong) as refused:
        check_name("title", "é" * 256, LIMITS.title)
    assert refused.value.facts == {"field": "title", "size": 256, "limit": 255}


def test_a_comment_keeps_its_nul() -> None:
    check_words("comment", "a\0b", LIMITS.comment)


@pytest.mark.parametrize("link", [Link("", "x"), Link("x", ""), Link("k" * 65, "x"), Link("k", "t" * 256)])
def test_a_link_that_cannot_be_kept_is_refused(link: Link) -> None:
    with pytest.raises(ContentRefused):
        check_link(link)
