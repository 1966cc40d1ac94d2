"""No stored fact can be changed without its digest telling."""

import hashlib
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.store.digests import chain, microseconds, person_digest, state_digest

PREVIOUS = bytes(range(32))
FULL: dict[str, Any] = {
    "previous": PREVIOUS,
    "shard": 7,
    "conversation_id": UUID("0199a000-0000-7000-8000-000000000001"),
    "version": 2,
    "position": 41,
    "topic": "message_added",
    "message_id": "m1",
    "request_id": "req-é",
    "command_id": UUID("0199a000-0000-7000-8000-00000000000c"),
    "command_digest": bytes(range(32, 64)),
    "command_size": 3,
    "recorded_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "state_digest": state_digest(b"salt", b'{"event":"message_added"}'),
    "person_digest": person_digest(b"salt", "ada", "key:crm"),
}
LEAST = FULL | dict.fromkeys(
    ["previous", "message_id", "request_id", "command_id", "command_digest", "command_size"]
)

texts = st.text(max_size=6)
blobs = st.binary(max_size=6)
digests = st.binary(min_size=32, max_size=32)
longs = st.integers(-(2**63), 2**63 - 1)
arguments = st.fixed_dictionaries(
    {
        "previous": st.none() | digests.filter(any),
        "shard": st.integers(-(2**15), 2**15 - 1),
        "conversation_id": st.uuids(),
        "version": longs,
        "position": longs,
        "topic": texts,
        "message_id": st.none() | texts,
        "request_id": st.none() | texts,
        "command_id": st.none() | st.uuids(),
        "command_digest": st.none() | blobs,
        "command_size": st.none() | longs,
        "recorded_at": st.datetimes(timezones=st.just(UTC)),
        "state_digest": digests,
        "person_digest": digests,
    }
)


def digest(**given: Any) -> bytes:
    return chain(**given)


def test_the_layout_never_changes() -> None:
    assert (
        state_digest(b"salt", b'{"event":"message_added"}').hex()
        == "e4769d0236d4fba1c0e05b69c7b879a8b61dfb4e2ee83f942308e4cfb20e5b82"
    )
    assert (
        person_digest(b"salt", "ada", "key:crm").hex()
        == "af6f57b7a6f9f5dd57fedb7bedd3171f29fa593ec0764e97b4760327588ac28a"
    )
    assert (
        person_digest(b"salt", None, None).hex()
        == "5e93ae996b74443d98796f5da0246df51fabc1606ae9089ab69ab9ddcbcb5877"
    )
    assert digest(**FULL).hex() == "7bfebffd3a640ad4a4ae8bbd3b7b163ab7adb1bff935b8745f0c5c2c5ad24ef9"
    assert digest(**LEAST).hex() == "e3666e75ef69f223db82af5aa24cabf436de5b721a2c3fffeec3aa33db5cf819"


def test_a_verifier_can_be_written_from_the_description_alone() -> None:
    topic, message_id, request_id = b"message_added", b"m1", "req-é".encode()
    time = 1_767_323_045_678_901
    written = b"".join(
        [
            b"hansard.event.v1\0",
            PREVIOUS,
            FULL["state_digest"],
            FULL["person_digest"],
            FULL["conversation_id"].bytes,
            struct.pack(">hqqq", 7, 2, 41, time),
            bytes([1 | 2 | 4 | 8 | 16]),
            FULL["command_id"].bytes,
            struct.pack(">q", 3),
            struct.pack(">IIII", len(topic), len(message_id), len(request_id), 32),
            topic,
            message_id,
            request_id,
            FULL["command_digest"],
        ]
    )
    assert digest(**FULL) == hashlib.sha256(written).digest()
    state = b"hansard.state.v1\0" + struct.pack(">I", 4) + b"salt" + b"{}"
    assert state_digest(b"salt", b"{}") == hashlib.sha256(state).digest()
    person = (
        b"hansard.person.v1\0" + struct.pack(">I", 4) + b"salt" + b"\3" + struct.pack(">I", 3) + b"adakey"
    )
    assert person_digest(b"salt", "ada", "key") == hashlib.sha256(person).digest()


@settings(deadline=None, max_examples=300)
@given(arguments, arguments, st.sampled_from(sorted(FULL)))
def test_changing_any_one_fact_changes_the_digest(
    one: dict[str, Any], other: dict[str, Any], name: str
) -> None:
    changed = one | {name: other[name]}
    assert (digest(**changed) == digest(**one)) == (changed == one)


@pytest.mark.parametrize("name", ["message_id", "request_id", "command_digest"])
def test_what_is_missing_is_not_what_is_empty(name: str) -> None:
    empty = b"" if name == "command_digest" else ""
    assert digest(**FULL | {name: None}) != digest(**FULL | {name: empty})


def test_a_missing_command_is_not_a_command_of_zeros() -> None:
    assert digest(**LEAST) != digest(**LEAST | {"command_id": UUID(int=0)})
    assert digest(**LEAST) != digest(**LEAST | {"command_size": 0})


@settings(deadline=None)
@given(st.text(min_size=1, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_letters_cannot_move_from_one_name_into_the_next(letters: str, here: int, there: int) -> None:
    def split(at: int) -> tuple[str, str]:
        return letters[:at], letters[at:]

    for fields in (("message_id", "request_id"), ("topic", "message_id"), ("topic", "request_id")):
        one = FULL | dict(zip(fields, split(here), strict=True))
        other = FULL | dict(zip(fields, split(there), strict=True))
        assert (digest(**one) == digest(**other)) == (one == other)


@settings(deadline=None)
@given(st.tuples(blobs, blobs), st.tuples(blobs, blobs))
def test_salt_and_state_cannot_be_confused(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    assert (state_digest(*one) == state_digest(*other)) == (one == other)


people = st.tuples(blobs, st.none() | texts, st.none() | texts)


@settings(deadline=None)
@given(people, people)
def test_user_actor_and_salt_cannot_be_confused(one: Any, other: Any) -> None:
    assert (person_digest(*one) == person_digest(*other)) == (one == other)


def test_a_digest_that_is_cut_is_not_taken() -> None:
    for name in ("previous", "state_digest", "person_digest"):
        with pytest.raises(ValueError, match="32 bytes"):
            digest(**FULL | {name: b"short"})


def test_the_first_event_follows_thirty_two_zeros() -> None:
    assert digest(**FULL | {"previous": None}) == digest(**FULL | {"previous": bytes(32)})


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_no_microsecond_is_lost(time: datetime) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds(time)) == time


def test_a_time_is_the_same_in_every_time_zone() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert microseconds(noon.astimezone(timezone(timedelta(hours=5, minutes=30)))) == microseconds(noon)


def test_a_time_without_a_zone_is_not_taken() -> None:
    with pytest.raises(TypeError):
        digest(**FULL | {"recorded_at": datetime(2026, 1, 1)})  # noqa: DTZ001
