"""A write's key and the version it expects; and cursors, each good for one list of one user."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.answering.cursors import decode, encode
from service.api.answering.errors import BadCursor
from service.api.asking.terms import position_of
from service.store.append import Appended
from service.store.repository import Caller, Changed
from tests.service.api.calling import Client, problem
from tests.service.api.routes import telling


async def written(client: Client, key: str | None = "one", user: str = "alice", **body: Any) -> Any:
    headers = {"X-User-Id": user} | ({} if key is None else {"Idempotency-Key": key})
    answer = await client.post("/write", json={"words": "Hi"} | body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["command"]


async def test_a_write_without_a_key_is_no_command() -> None:
    async with telling(None) as client:
        assert await written(client, None) is None


async def test_the_same_request_under_its_key_is_the_same_command() -> None:
    async with telling(None) as client:
        first = await written(client)
        assert await written(client) == first
        headers = {"X-User-Id": "alice", "Idempotency-Key": "one"}
        again = await client.post("/write/", content=b'{ "words":\n"H\\u0069" }', headers=headers)
        assert again.json()["command"] == first


async def test_another_body_under_the_same_key_is_the_same_command_with_another_digest() -> None:
    async with telling(None) as client:
        one, other = await written(client), await written(client, words="Ho")
        assert one["id"] == other["id"]
        assert one["digest"] != other["digest"]


async def test_the_same_body_under_another_key_has_another_digest() -> None:
    async with telling(None) as client:
        one, other = await written(client, "one"), await written(client, "two")
        assert one["digest"] != other["digest"]


async def test_two_users_with_the_same_key_do_not_meet() -> None:
    async with telling(None) as client:
        commands = [
            await written(client, "11", "alice"),
            await written(client, "1", "alice 1"),
            await written(client, "11", "bob"),
            await written(client, "12", "alice"),
        ]
        assert len({each["id"] for each in commands}) == 4


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\x7f", "caf\u00e9"])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    async with telling(None) as client:
        headers = [(b"X-User-Id", b"alice"), (b"Idempotency-Key", key.encode())]
        answer = await client.post("/write", json={"words": "Hi"}, headers=headers)
        assert problem(answer) == (400, "bad-idempotency-key")


@pytest.mark.parametrize(
    ("if_match", "body", "expected"),
    [
        (None, None, None),
        ("*", None, None),
        ('"7"', None, 7),
        ("7", None, 7),
        ('W/"7"', None, 7),
        (None, 7, 7),
        ('"7"', 7, 7),
        ('"0"', None, 0),
    ],
)
async def test_the_version_is_expected_by_header_or_by_body(
    if_match: str | None, body: int | None, expected: int | None
) -> None:
    async with telling(None) as client:
        headers = {"X-User-Id": "alice"} | ({} if if_match is None else {"If-Match": if_match})
        answer = await client.post("/write", json={"words": "Hi", "expected_version": body}, headers=headers)
        assert answer.json()["expected"] == expected


@pytest.mark.parametrize(
    ("if_match", "body", "type"),
    [
        ('"7"', 8, "versions-differ"),
        ("seven", None, "bad-version"),
        ("", None, "bad-version"),
        ("9" * 30, None, "bad-version"),
    ],
)
async def test_a_version_that_is_none_or_two_is_refused(if_match: str, body: int | None, type: str) -> None:
    async with telling(None) as client:
        headers = {"X-User-Id": "alice", "If-Match": if_match}
        answer = await client.post("/write", json={"words": "Hi", "expected_version": body}, headers=headers)
        assert problem(answer) == (400, type)


def test_a_position_is_the_writes_own() -> None:
    caller = Caller("alice")
    assert position_of(caller, Changed(None, None)) is None
    one, other = [position_of(caller, Changed(None, Appended(uuid4(), 1, at, 1))) for at in (1, 2)]
    assert one != other


PLACES = st.tuples(st.integers(-(2**63) + 1, 2**63 - 1), st.text(), st.none() | st.floats(allow_nan=False))


@given(PLACES, st.text(), st.text())
def test_a_cursor_leads_back_to_its_place(place: tuple[Any, ...], kind: str, owner: str) -> None:
    assert decode(kind, owner, encode(kind, owner, place)) == place


@pytest.mark.parametrize(("kind", "owner"), [("messages", "alice"), ("list", "bob"), ("lista", "lice")])
def test_a_cursor_is_good_for_one_list_of_one_user(kind: str, owner: str) -> None:
    with pytest.raises(BadCursor):
        decode(kind, owner, encode("list", "alice", (7,)))


@given(st.text() | st.text("abcdefXYZ0123456789-_=", max_size=80))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        decode("list", "alice", text)


@pytest.mark.parametrize("place", [("a",), (), (1, 2), (2**64 - 1,), (None,)])
def test_a_cursor_that_somebody_made_up_leads_nowhere(place: tuple[Any, ...]) -> None:
    with pytest.raises(BadCursor):
        decode("list", "alice", encode("list", "alice", place), tuple[int])
