"""Names: a conversation is found by what its user's application calls it, and only while it is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.service.api.calling import Client, calling, problem
from tests.service.api.recording import assistant, at_once, by, got, started, user
from tests.service.store.appending import lane_held, wait_until_blocked

NAMES = [
    "thr_abc",
    "V1StGXR8_Z5jdHi6B-myT",
    "8F14E45F-CEEA-467A-9E4E-0C1F3D5B2A10",
    "ein Gespräch über 東京 🗼",
    "null",
    "a.b:c~d@e&f=g;h,i+j k?l#m",
    "x" * 255,
]


async def by_name(client: Client, name: str, path: str = "", by_user: str = "ann") -> httpx.Response:
    return await client.get(f"/api/conversations/{quote(name, safe='')}{path}", headers=by(by_user))


def at(name: str) -> str:
    return f"/api/conversations/{quote(name, safe='')}"


@pytest.mark.parametrize("name", NAMES)
async def test_a_conversation_is_the_same_by_its_name_and_by_its_id(dsn: str, name: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?"), name=name)
        assert made["name"] == name
        assert UUID(made["id"]).version == 7
        for path in ("", "/messages", "/events"):
            named = await by_name(client, name, path)
            assert named.status_code == 200, named.text
            assert named.content == (await by_name(client, made["id"], path)).content
        added = await client.post(
            f"/api/conversations/{quote(name, safe='')}/messages", json=assistant("330 m."), headers=by("ann")
        )
        assert (added.status_code, added.json()["conversation_id"]) == (201, made["id"])
        listed = await got(client, "/api/conversations")
        assert [(each["id"], each["name"]) for each in listed["conversations"]] == [(made["id"], name)]


async def test_every_operation_takes_a_name(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?", id="m1"), name="thr_abc")
        at, chat = "/api/conversations/thr_abc", "/api/chat/thr_abc"
        for method, path, body, status in (
            ("GET", f"{at}?at=1", None, 200),
            ("PATCH", at, {"title": "Tower"}, 200),
            ("POST", f"{at}/messages/batch", {"messages": [user("And wide?")]}, 201),
            ("PUT", f"{at}/messages/m1/rating", {"rating": "good"}, 200),
            ("POST", f"{chat}/message", {"message": "And deep?"}, 200),
            ("POST", "/api/chat", {"message": "Sure?", "session_id": "thr_abc"}, 200),
            ("POST", "/api/chat/stream", {"message": "Really?", "session_id": "thr_abc"}, 200),
            ("GET", f"{chat}/stream", None, 200),
            ("POST", f"{chat}/stop", None, 200),
            ("GET", f"{chat}/history", None, 200),
            ("GET", "/api/chat/history?session_id=thr_abc", None, 200),
            ("GET", "/api/export?conversation_id=thr_abc", None, 200),
            ("POST", "/support/chatkit", {"message": "Hello?", "conversation_id": "thr_abc"}, 200),
            ("POST", "/api/chat/end-session", {"session_id": "thr_abc"}, 200),
            ("POST", f"{at}/anonymise", None, 200),
        ):
            answer = await client.request(method, path, json=body, headers=by("ann"))
            assert answer.status_code == status, (path, answer.text)
        assert (await by_name(client, "thr_abc")).status_code == 404
        assert (await by_name(client, made["id"])).status_code == 404


async def test_a_session_is_started_by_a_name(dsn: str) -> None:
    async with calling(dsn) as client:
        answer = await client.post("/api/chat/start", json={"name": "thr_abc"}, headers=by("ann"))
        told = (await got(client, "/api/chat/thr_abc/history"))["session"]
        assert (told["id"], told["name"]) == (answer.json()["session_id"], "thr_abc")


async def test_two_users_may_have_the_same_name(dsn: str) -> None:
    same_shard = next(
        name
        for number in range(1_000)
        if shard_of(name := f"bob-{number}", SHARDS) == shard_of("ann", SHARDS)
    )
    async with calling(dsn) as client:
        for owner in ("ann", same_shard, "carol"):
            await started(client, user(f"{owner} was here"), by_user=owner, name="thr_abc")
        for owner in ("ann", same_shard, "carol"):
            page = (await by_name(client, "thr_abc", "/messages", owner)).json()
            assert [each["content"] for each in page["messages"]] == [f"{owner} was here"]
        assert problem(await by_name(client, "thr_abc", by_user="dave")) == (404, "conversation-not-found")


async def test_a_name_that_is_taken_is_refused_and_nothing_is_stored(dsn: str) -> None:
    async with calling(dsn) as client:
        first = await started(client, user("One"), name="thr_abc")
        body = {"name": "thr_abc", "messages": [user("Two")]}
        answer = await client.post("/api/conversations", json=body, headers=by("ann"))
        assert problem(answer) == (409, "name-taken")
        assert answer.json()["conversation_id"] == first["id"]
        assert len((await got(client, "/api/conversations"))["conversations"]) == 1


async def test_a_start_by_name_that_is_repeated_with_its_key_starts_one(dsn: str) -> None:
    async with calling(dsn) as client:
        body, headers = {"name": "thr_abc", "messages": [user("One")]}, by("ann", **{"Idempotency-Key": "k1"})
        answers = [await client.post("/api/conversations", json=body, headers=headers) for _ in range(2)]
        assert [each.status_code for each in answers] == [201, 201]
        assert answers[0].content == answers[1].content


async def test_a_uuid_as_ids_are_written_is_the_id(dsn: str) -> None:
    async with calling(dsn) as client:
        own = str(uuid4())
        made = await started(client, user("One"), name=own)
        assert (made["id"], made["name"]) == (own, None)
        assert (await by_name(client, own)).json()["id"] == own


async def test_a_name_alone_does_not_say_whose_it_is(dsn: str) -> None:
    async with calling(dsn) as client:
        await started(client, user("One"), name="thr_abc")
        answer = await client.get("/api/conversations/thr_abc")
        assert problem(answer) == (400, "user-not-named")


@pytest.mark.parametrize(
    ("name", "refusal"),
    [("", "empty"), ("x" * 256, "name-too-long"), ("a\0b", "name-has-nul"), ("\ud800", "bad-json")],
)
async def test_what_cannot_be_a_name_is_refused(dsn: str, name: str, refusal: str) -> None:
    async with calling(dsn) as client:
        content = b'{"name": "\\ud800"}' if name == "\ud800" else None
        given: dict[str, Any] = {"content": content} if content else {"json": {"name": name}}
        headers = by("ann", **{"Content-Type": "application/json"})
        answer = await client.post("/api/conversations", headers=headers, **given)
        assert problem(answer) == (400, refusal)


async def test_a_name_goes_with_its_conversation_and_is_free_then(dsn: str) -> None:
    async with calling(dsn) as client:
        for way in ("erased", "anonymised"):
            made = await started(client, user("One"), name="Zweigstelle-4711")
            path = f"/api/conversations/{made['id']}"
            if way == "erased":
                gone = await client.delete(path, headers=by("ann"))
            else:
                gone = await client.post(f"{path}/anonymise", headers=by("ann"))
            assert gone.status_code == 200
            assert (await by_name(client, "Zweigstelle-4711")).status_code == 404
    assert b"Zweigstelle-4711" not in dumped(dsn)


def dumped(dsn: str) -> bytes:
    """Every row of every table."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'hansard'").fetchall()
        rows = [connection.execute(f"SELECT t FROM hansard.{table} AS t").fetchall() for (table,) in tables]  # noqa: S608
        states = connection.execute("SELECT state FROM hansard.events").fetchall()
    return repr(rows).encode() + b"".join(bytes(state or b"") for (state,) in states)


async def test_erasing_by_name_is_answered_the_same_when_it_is_repeated_with_its_key(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("One"), name="thr_abc")
        headers = by("ann", **{"Idempotency-Key": "gone"})
        first, again = [await client.delete("/api/conversations/thr_abc", headers=headers) for _ in range(2)]
        assert (first.status_code, first.json()["id"]) == (200, made["id"])
        assert again.content == first.content
        assert problem(await client.delete("/api/conversations/thr_abc", headers=by("ann")))[0] == 404


@asynccontextmanager
async def two_processes(dsn: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with at_once(dsn) as (one, _), at_once(dsn) as (other, _):
        yield [one, other]


@asynccontextmanager
async def nobody_appends(dsn: str, writers: int) -> AsyncIterator[None]:
    """Until so many writers wait, each with something to store."""
    with lane_held(dsn, "ann"):
        yield
        await asyncio.to_thread(wait_until_blocked, dsn, writers)


async def test_one_name_that_many_start_at_once_in_two_processes_is_one_conversation(dsn: str) -> None:
    async with two_processes(dsn) as processes:
        clients, body = processes * 8, {"name": "one"}
        async with nobody_appends(dsn, writers=2):
            asked = [
                asyncio.create_task(client.post("/api/conversations", json=body, headers=by("ann")))
                for client in clients
            ]
        answers = await asyncio.gather(*asked)
        assert sorted(each.status_code for each in answers) == [201] + [409] * 15
        (made,) = [each.json()["id"] for each in answers if each.status_code == 201]
        assert {each.json()["conversation_id"] for each in answers if each.status_code == 409} == {made}
        listed = await got(clients[0], "/api/conversations")
        assert [each["id"] for each in listed["conversations"]] == [made]
