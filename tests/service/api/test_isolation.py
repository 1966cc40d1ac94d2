"""Other people's data: every operation of the API document, tried by those who may not."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest

from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.service.api.calling import Client, as_user, asked_who, bearer, key, problem, revoke, token
from tests.service.api.operations import ANSWERED, FOR_SOMEBODY, FOR_USERS, OPEN, OPERATIONS, Operation

AUDIENCE = "hansard"
WORDS = "rosebud"
ANSWER = "the-answer"
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)
HER_SHARD = shard_of("alice", SHARDS)
ALICE = as_user("alice", aud=AUDIENCE)
SAME_SHARD, ANOTHER_SHARD = (
    next(name for name in map("bob-{}".format, count()) if (shard_of(name, SHARDS) == HER_SHARD) is same)
    for same in (True, False)
)
"""Where what is hers is, whoever asks for it would find it, were he not asked whose it is."""


EVENTS = "SELECT count(*), max(recorded_at) FROM hansard.events WHERE user_id LIKE %(user)s"
DRAFTS = "SELECT count(*) FROM hansard.drafts WHERE user_id LIKE %(user)s"


class Record:
    """What alice has put on the record, and a client for those who want it."""

    def __init__(self, client: Client, dsn: str) -> None:
        self.client = client
        self.dsn = dsn
        self.hers: dict[str, Any] = {}

    async def start(self, title: str = f"About {WORDS}") -> dict[str, Any]:
        body = {
            "title": title,
            "metadata": {"note": WORDS},
            "links": [{"kind": "opportunity", "id": f"opp_{WORDS}"}],
            "messages": [
                {"role": "user", "content": WORDS},
                {"role": "assistant", "content": WORDS, "id": ANSWER},
            ],
        }
        started = await self.client.post("/api/conversations", json=body, headers=ALICE)
        assert started.status_code == 201, started.text
        self.hers = names_of(started.json()["id"], f"opp_{WORDS}", "alice")
        return dict(started.json())

    async def ask(self, request: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        return await self.client.request(**request | {"headers": request["headers"] | headers})

    def state(self, user: str = "%") -> object:
        """What is stored, of one user or of all."""
        with psycopg.connect(self.dsn) as connection:
            return [connection.execute(each, {"user": user}).fetchone() for each in (EVENTS, DRAFTS)]


def names_of(conversation_id: str, opportunity: str, user_id: str) -> dict[str, Any]:
    """Everything by which an operation may be asked for something of somebody's."""
    return {
        "session_id": conversation_id,
        "conversation_id": conversation_id,
        "message_id": ANSWER,
        "item_id": ANSWER,
        "kind": "opportunity",
        "target": opportunity,
        "opportunity_id": opportunity,
        "link": f"opportunity:{opportunity}",
        "q": WORDS,
        "Last-Event-ID": f"{conversation_id}:0",
        "user_id": user_id,
    }


def nobodys(user_id: str) -> dict[str, Any]:
    return names_of(str(uuid4()), "opp_unknown", user_id)


@asynccontextmanager
async def recorded(dsn: str) -> AsyncIterator[Record]:
    async with asked_who(dsn, jwt_audience=AUDIENCE) as client:
        record = Record(client, dsn)
        await record.start()
        yield record


def told(answer: httpx.Response, values: dict[str, Any]) -> tuple[int, str]:
    """The answer, but for the ids that were asked for."""
    text = answer.text
    for name in ("conversation_id", "opportunity_id"):
        text = text.replace(values[name], name)
    return answer.status_code, text


def test_the_table_knows_the_operations_that_there_are() -> None:
    assert len(OPERATIONS) > 20
    assert {each.path for each in OPERATIONS} > OPEN
    assert [str(each) for each in FOR_USERS if each.example is None and each.method in ("POST", "PATCH")] == [
        "POST /api/users/{user_id}/erase",
        "POST /api/conversations/{conversation_id}/anonymise",
        "POST /api/chat/{session_id}/stop",
    ]


# Those who prove nothing


def signed(**claims: Any) -> dict[str, str]:
    return bearer(token("alice", **{"aud": AUDIENCE, **claims}))


def unsigned() -> dict[str, str]:
    soon = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    return bearer(jwt.encode({"sub": "alice", "exp": soon, "aud": AUDIENCE}, "", algorithm="none"))


NOBODY = {
    "no token": {},
    "an empty one": {"Authorization": "Bearer "},
    "an expired one": signed(exp=LONG_AGO),
    "a wrong signature": signed(secret="x" * 40),
    "alg none": unsigned(),
    "a wrong audience": signed(aud="another"),
    "no audience": signed(aud=None),
    "a key that there is not": bearer("hsk_" + "A" * 43),
    "a user's name alone": {"X-User-Id": "alice"},
    "a password": {"Authorization": "Basic YWxpY2U6YWxpY2U="},
}


@pytest.mark.parametrize("name", NOBODY)
async def test_who_proves_nothing_is_told_nothing_and_changes_nothing(dsn: str, name: str) -> None:
    async with recorded(dsn) as record:
        before = record.state()
        for operation in FOR_SOMEBODY:
            answer = await record.ask(operation.asked(record.hers), NOBODY[name])
            unknown = await record.ask(operation.asked(nobodys("alice")), NOBODY[name])
            assert problem(answer) == (401, "not-authenticated"), operation
            assert answer.text == unknown.text, operation
            assert record.state() == before, operation


async def test_a_revoked_key_is_told_nothing_and_changes_nothing(dsn: str) -> None:
    async with recorded(dsn) as record:
        shown = bearer(key(dsn, scope="admin")) | {"X-User-Id": "alice"}
        revoke(dsn)
        before = record.state()
        for operation in FOR_SOMEBODY:
            answer = await record.ask(operation.asked(record.hers), shown)
            assert problem(answer) == (401, "not-authenticated"), operation
            assert record.state() == before, operation


@pytest.mark.parametrize("scope", ["read", "audit"])
async def test_a_key_that_may_only_read_changes_nothing(dsn: str, scope: Any) -> None:
    async with recorded(dsn) as record:
        shown = bearer(key(dsn, scope=scope)) | {"X-User-Id": "alice"}
        before = record.state()
        for operation in FOR_USERS:
            if operation.method != "GET":
                answer = await record.ask(operation.asked(record.hers), shown)
                assert problem(answer) == (403, "scope-missing"), operation
                assert record.state() == before, operation


@pytest.mark.parametrize("scope", [None, "read", "write"])
async def test_what_is_not_for_users_takes_a_key_of_its_scope(dsn: str, scope: Any) -> None:
    async with recorded(dsn) as record:
        shown = bearer(key(dsn, scope=scope)) | {"X-User-Id": "alice"} if scope else ALICE
        for operation in FOR_SOMEBODY:
            if operation not in FOR_USERS:
                answer = await record.ask(operation.asked(record.hers), shown)
                assert problem(answer) == (403, "scope-missing"), operation


# Somebody else


bobs = pytest.mark.parametrize("bob", [SAME_SHARD, ANOTHER_SHARD])


def by(user_id: str) -> dict[str, str]:
    return as_user(user_id, aud=AUDIENCE)


def somebody_else(dsn: str, user_id: str) -> Iterator[dict[str, str]]:
    yield by(user_id)
    yield bearer(key(dsn)) | {"X-User-Id": user_id}


@bobs
async def test_anothers_ids_are_as_good_as_none(dsn: str, bob: str) -> None:
    async with recorded(dsn) as record:
        hers, unknown = record.hers | {"user_id": bob}, nobodys(bob)
        for headers in somebody_else(dsn, bob):
            for operation in ANSWERED:
                before, all_before = record.state("alice"), record.state()
                answer = await record.ask(operation.asked(hers), headers)
                assert WORDS not in answer.text.replace(f"opp_{WORDS}", ""), operation
                assert record.state("alice") == before, operation
                if operation.names_one:
                    assert problem(answer) == (404, "conversation-not-found"), operation
                if operation.names_one or (operation.method != "POST" and not named_in(operation, "path")):
                    assert record.state() == all_before, operation
                    other = await record.ask(operation.asked(unknown), headers)
                    assert told(answer, hers) == told(other, unknown), operation


@bobs
@pytest.mark.parametrize("more", [{}, {"Idempotency-Key": "one"}, {"If-Match": '"4"'}, {"If-Match": '"1"'}])
async def test_a_writes_terms_tell_nothing_of_anothers_conversation(
    dsn: str, bob: str, more: dict[str, str]
) -> None:
    async with recorded(dsn) as record:
        hers, unknown = record.hers | {"user_id": bob}, nobodys(bob)
        for operation in ANSWERED:
            if operation.names_one and operation.takes("If-Match"):
                before = record.state()
                answer = await record.ask(operation.asked(hers), by(bob) | more)
                other = await record.ask(operation.asked(unknown), by(bob) | more)
                assert answer.status_code in (404, 409), operation
                assert told(answer, hers) == told(other, unknown), operation
                assert record.state() == before, operation


def named_in(operation: Operation, place: str) -> bool:
    """Whether it takes a user's name there."""
    if place == "header":
        return True
    return (
        "user_id" in operation.properties if place == "body" else ("user_id", place) in operation.parameters
    )


@pytest.mark.parametrize("place", ["header", "query", "body", "path"])
async def test_nobody_is_named_but_the_tokens_own_user(dsn: str, place: str) -> None:
    header = {"X-User-Id": "alice"} if place == "header" else {}
    async with recorded(dsn) as record:
        before = record.state()
        tried = [each for each in FOR_USERS if named_in(each, place)]
        assert tried
        for operation in tried:
            values = record.hers | {"user_id": SAME_SHARD if place == "header" else "alice"}
            answer = await record.ask(operation.asked(values), by(SAME_SHARD) | header)
            assert problem(answer) in ((403, "not-your-user"), (400, "users-differ")), operation
            assert record.state() == before, operation


@bobs
async def test_anothers_place_in_a_list_is_nobodys_else(dsn: str, bob: str) -> None:
    async with recorded(dsn) as record:
        await record.start("Another")
        cursors = await places(record)
        mine = await record.client.post("/api/conversations", json={"messages": []}, headers=by(bob))
        own = names_of(mine.json()["id"], "opp_1", bob)
        for operation in ANSWERED:
            for name in ("before", "after", "cursor"):
                for cursor in cursors if operation.takes(name) else ():
                    answer = await record.ask(operation.asked(own | {name: cursor}), by(bob))
                    refused = "not-in-list" if operation.path.startswith("/v1/") else "bad-cursor"
                    assert problem(answer) == (400, refused), (operation, name)


async def places(record: Record) -> list[str]:
    """Cursors of all kinds, as alice gets them."""
    hers = record.hers["conversation_id"]
    found = list[str | None]()
    lists: list[tuple[str, dict[str, Any], str]] = [
        ("/api/conversations", {"limit": 1}, "next_cursor"),
        ("/api/chat/sessions", {"limit": 1}, "next_cursor"),
        ("/api/search", {"q": WORDS, "limit": 1}, "next_cursor"),
        (f"/api/conversations/{hers}/messages", {"limit": 1}, "older"),
        (f"/api/conversations/{hers}/messages", {"limit": 1}, "newer"),
        (f"/api/conversations/{hers}/events", {"limit": 1}, "next_cursor"),
        (f"/api/conversations/{hers}", {"at": "3", "limit": 1}, "older"),
        ("/api/chat/history", {"limit": 1}, "older"),
    ]
    for path, params, name in lists:
        answer = await record.client.get(path, params=params, headers=ALICE)
        found.append(answer.json()[name])
    assert all(found)
    return [each for each in found if each]


async def test_she_herself_is_answered(dsn: str) -> None:
    """So that nothing above is refused for another reason than the one it is about."""
    async with recorded(dsn) as record:
        for operation in ANSWERED:
            await record.start()
            answer = await record.ask(operation.asked(record.hers | {"user_id": "alice"}), ALICE)
            unknown = operation.takes("receipt_id")  # there is none yet
            assert answer.status_code in ((404,) if unknown else (200, 201, 204)), (operation, answer.text)


async def test_what_everybody_may_call_tells_nothing_of_anybody(dsn: str) -> None:
    async with recorded(dsn) as record:
        for operation in OPERATIONS:
            if operation.path in OPEN:
                answer = await record.ask(operation.asked(record.hers), {})
                assert answer.status_code == 200
                assert "alice" not in answer.text
                assert record.hers["conversation_id"] not in answer.text
