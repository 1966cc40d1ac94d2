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
    "command_id": UUID("0199a000-0000-7000-8000-00000000000c"),
    "command_digest": bytes(range(32, 64)),
    "command_size": 3,
    "recorded_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "state_digest": state_digest(b"salt", b'{"event":"message_added"}'),
    "person_digest": person_digest(b"salt", "ada", "key:crm", "req-é"),
}
LEAST = FULL | dict.fromkeys(["previous", "command_id", "command_digest", "command_size"])

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
        person_digest(b"salt", "ada", "key:crm", "req-é").hex()
        == "344bfc3159793d2a2e903a276fc9a0d0d74bfb5f386065675acd7d96c8b34bbd"
    )
    assert (
        person_digest(b"salt", None, None, None).hex()
        == "7baeacb49847a722b58d4b3b4565f4a584f04e2a60b18c011c3729a908683882"
    )
    assert digest(**FULL).hex() == "646d05ecbb9f3b90410b5dfb15a501a3702e9eb653d9dd0da02dcabd84318fb2"
    assert digest(**LEAST).hex() == "fe33de66693ac58c1140e9e9df7059a54cc48bcf69217c69e59c102a99182df1"


def test_a_verifier_can_be_written_from_the_description_alone() -> None:
    topic = b"message_added"
    time = 1_767_323_045_678_901
    written = b"".join(
        [
            b"hansard.event.v1\0",
            PREVIOUS,
            FULL["state_digest"],
            FULL["person_digest"],
            FULL["conversation_id"].bytes,
            struct.pack(">hqqq", 7, 2, 41, time),
            bytes([1 | 2 | 4]),
            FULL["command_id"].bytes,
            struct.pack(">q", 3),
            struct.pack(">I", len(topic)),
            topic,
            FULL["command_digest"],
        ]
    )
    assert digest(**FULL) == hashlib.sha256(written).digest()
    state = b"hansard.state.v1\0" + struct.pack(">I", 4) + b"salt" + b"{}"
    assert state_digest(b"salt", b"{}") == hashlib.sha256(state).digest()
    person = (
        b"hansard.person.v1\0"
        + struct.pack(">I", 4)
        + b"salt"
        + bytes([1 | 2 | 4])
        + struct.pack(">II", 3, 3)
        + b"adakeyreq"
    )
    assert person_digest(b"salt", "ada", "key", "req") == hashlib.sha256(person).digest()


@settings(deadline=None, max_examples=300)
@given(arguments, arguments, st.sampled_from(sorted(FULL)))
def test_changing_any_one_fact_changes_the_digest(
    one: dict[str, Any], other: dict[str, Any], name: str
) -> None:
    changed = one | {name: other[name]}
    assert (digest(**changed) == digest(**one)) == (changed == one)


def test_what_is_missing_is_not_what_is_empty() -> None:
    assert digest(**FULL | {"command_digest": None}) != digest(**FULL | {"command_digest": b""})
    person: dict[str, str | None] = {"user_id": "ada", "actor": "key", "request_id": "req"}
    for name in person:
        missing, empty = person | {name: None}, person | {name: ""}
        assert person_digest(b"salt", **missing) != person_digest(b"salt", **empty)


def test_a_missing_command_is_not_a_command_of_zeros() -> None:
    assert digest(**LEAST) != digest(**LEAST | {"command_id": UUID(int=0)})
    assert digest(**LEAST) != digest(**LEAST | {"command_size": 0})


@settings(deadline=None)
@given(st.text(min_size=1, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_letters_cannot_move_from_one_name_into_the_next(letters: str, here: int, there: int) -> None:
    def topic_and_digest(at: int) -> dict[str, Any]:
        return FULL | {"topic": letters[:at], "command_digest": letters[at:].encode()}

    one, other = topic_and_digest(here), topic_and_digest(there)
    assert (digest(**one) == digest(**other)) == (one == other)


@settings(deadline=None)
@given(st.tuples(blobs, blobs), st.tuples(blobs, blobs))
def test_salt_and_state_cannot_be_confused(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    assert (state_digest(*one) == state_digest(*other)) == (one == other)


people = st.tuples(blobs, *[st.none() | texts] * 3)


@settings(deadline=None)
@given(people, people)
def test_user_actor_request_and_salt_cannot_be_confused(one: Any, other: Any) -> None:
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
