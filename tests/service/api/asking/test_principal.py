"""For whom a request is: said once, and never in two ways."""

from typing import Any
from uuid import uuid4

import pytest

from tests.service.api.calling import SECRET, as_it_is, as_user, bearer, key, problem
from tests.service.api.routes import telling
from tests.service.store.appending import asked, started, storing

TOKEN = {"auth": "token", "jwt_secret": SECRET}


@pytest.mark.parametrize("how", [{"headers": {"X-User-Id": "alice"}}, {"params": {"user_id": "alice"}}])
async def test_without_authentication_the_request_names_the_user(dsn: str, how: dict[str, Any]) -> None:
    async with telling(dsn) as client:
        answer = await client.get("/caller", **how)
        assert answer.json() | {"request_id": ""} == {"user_id": "alice", "actor": "dev", "request_id": ""}


async def test_the_log_is_told_the_id_of_the_request(dsn: str) -> None:
    async with telling(dsn) as client:
        answer = await client.get("/caller", headers={"X-User-Id": "alice", "X-Request-Id": "trace-7"})
        assert answer.json()["request_id"] == "trace-7"


async def test_whoever_names_nobody_is_told_how_to(dsn: str) -> None:
    async with telling(dsn) as client:
        answer = await client.get("/caller")
        assert problem(answer) == (400, "user-not-named")
        assert "X-User-Id" in answer.json()["detail"]
        assert "user_id" in answer.json()["detail"]


async def test_two_names_in_one_request_must_be_the_same(dsn: str) -> None:
    async with telling(dsn) as client:
        header = {"X-User-Id": "alice"}
        both = await client.get("/caller", headers=header, params={"user_id": "bob"})
        assert problem(both) == (400, "users-differ")
        body = await client.post("/write", headers=header, json={"words": "Hi", "user_id": "bob"})
        assert problem(body) == (400, "users-differ")
        same = await client.post("/write", headers=header, json={"words": "Hi", "user_id": "alice"})
        assert same.json()["user_id"] == "alice"


@pytest.mark.parametrize(
    ("given", "type"),
    [(b"", "empty"), (b"x" * 256, "name-too-long"), (b"\xff", "not-text"), (b"\xed\xa0\x80", "not-text")],
)
async def test_a_user_that_cannot_be_kept_is_refused(dsn: str, given: bytes, type: str) -> None:
    async with telling(dsn) as client, as_it_is(client) as raw:
        answer = await raw.get("/caller", headers=[(b"X-User-Id", given)])
        assert problem(answer) == (400, type)
        assert answer.json()["field"] == "user_id"


async def test_a_nul_in_a_user_is_refused(dsn: str) -> None:
    async with telling(dsn) as client:
        assert problem(await client.get("/caller?user_id=a%00b")) == (400, "name-has-nul")


async def test_a_user_is_the_same_in_a_header_and_in_a_query(dsn: str) -> None:
    async with telling(dsn) as client, as_it_is(client) as raw:
        header = await raw.get("/caller", headers=[(b"X-User-Id", "Zoë".encode())])
        query = await raw.get("/caller", params={"user_id": "Zoë"})
        assert header.json()["user_id"] == query.json()["user_id"] == "Zoë"


@pytest.mark.parametrize("settings", [{}, TOKEN])
async def test_a_conversation_that_is_named_alone_is_its_owners(dsn: str, settings: dict[str, Any]) -> None:
    conversation_id = uuid4()
    with storing(dsn) as store:
        store.append_blocking(asked(store, conversation_id, started()))
    headers = bearer(key(dsn)) if settings else {}
    async with telling(dsn, **settings) as client:
        found = await client.get(f"/conversation/{conversation_id}", headers=headers)
        assert found.json()["user_id"] == "ann"
        missing = await client.get(f"/conversation/{uuid4()}", headers=headers)
        assert problem(missing) == (404, "conversation-not-found")


async def test_a_token_says_who_its_user_is(dsn: str) -> None:
    async with telling(dsn, **TOKEN) as client:
        answer = await client.get("/caller", headers=as_user("alice"))
        assert answer.json() | {"request_id": ""} == {"user_id": "alice", "actor": "alice", "request_id": ""}
        assert (await client.get("/caller?user_id=alice", headers=as_user())).status_code == 200


@pytest.mark.parametrize("how", [{"headers": {"X-User-Id": "bob"}}, {"params": {"user_id": "bob"}}])
async def test_a_token_is_for_no_other_user(dsn: str, how: dict[str, Any]) -> None:
    how = how | {"headers": as_user("alice") | how.get("headers", {})}
    async with telling(dsn, **TOKEN) as client:
        assert problem(await client.get("/caller", **how)) == (403, "not-your-user")
        assert problem(await client.get(f"/conversation/{uuid4()}", **how)) == (403, "not-your-user")
