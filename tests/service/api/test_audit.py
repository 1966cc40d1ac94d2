"""The record over HTTP: what happened, in words and in full, to one conversation and to all of them."""

import json
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from domain.events import MessageAdded
from service import commands
from service.store.repository import Caller
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.service.api.calling import as_user, asked_who, bearer, calling, key, problem
from tests.service.api.recording import assistant, at_once, by, got, said, started, user


async def history(client: httpx.AsyncClient, conversation: Any, **params: Any) -> list[Any]:
    page = await got(client, f"/api/conversations/{conversation['id']}/events", **params)
    found: list[Any] = page["events"]
    return found


async def changed(client: httpx.AsyncClient, conversation: Any, **changes: Any) -> Any:
    path = f"/api/conversations/{conversation['id']}"
    answer = await client.patch(path, json=changes, headers=by("ann", **{"X-Request-Id": "r-1"}))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_everything_that_happened_is_told_in_words_and_in_full(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Lucky?"), assistant("Yes."), title="A")
        await changed(client, made, title="B", metadata={"channel": "web"}, ended=True)
        events = await history(client, made)
        assert [each["words"] for each in events] == [
            "The conversation “A” was started",
            "ann said “Lucky?”",
            "The assistant said “Yes.”",
            "The title was changed from “A” to “B”",
            "The metadata was changed: channel added",
            "The session was ended",
        ]
        assert [each["version"] for each in events] == [1, 2, 3, 4, 5, 6]
        renamed = events[3]
        assert (renamed["before"], renamed["after"]) == ({"title": "A"}, {"title": "B"})
        assert renamed["event"] == {"event": "conversation_renamed", "title": "B"}
        assert (renamed["topic"], renamed["actor"], renamed["request_id"]) == (
            "conversation_renamed",
            "dev",
            "r-1",
        )
        assert events[1]["before"] is None
        assert events[1]["after"]["message"]["content"] == "Lucky?"


@pytest.mark.parametrize(
    "name", ["key:backend", "responder:openai", "retention", "the operator", "hansard", "dev", "user:ann"]
)
async def test_no_user_acts_under_the_name_of_somebody_else(dsn: str, name: str) -> None:
    async with asked_who(dsn) as client:
        body = {"title": "A", "messages": [user("It was somebody else.")]}
        made = await client.post("/api/conversations", json=body, headers=as_user(name))
        assert made.status_code == 201, made.text
        auditor = bearer(key(dsn, "auditor", "audit"))

        async def actors(**given: str) -> set[tuple[str, str]]:
            found = (await client.get("/api/audit/events", params=given, headers=auditor)).json()["events"]
            return {(each["actor"], each["user_id"]) for each in found}

        assert await actors() == {(f"user:{name}", name)}
        assert await actors(actor=f"user:{name}") == {(f"user:{name}", name)}
        assert await actors(actor=name) == set()
        asked = await client.post(
            f"/api/conversations/{made.json()['id']}/anonymise",
            headers=as_user(name) | {"Idempotency-Key": "k"},
        )
        assert asked.status_code == 200, asked.text
        assert name not in str(await actors())


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_each_page_knows_what_stood_before_it(dsn: str, limit: int) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("One"), title="A")
        for at in range(5):
            await changed(client, made, title=f"Title {at}", metadata={"at": at})
        whole = await history(client, made)
        paged, cursor = list[Any](), None
        while True:
            params: dict[str, Any] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = await got(client, f"/api/conversations/{made['id']}/events", **params)
            assert len(page["events"]) <= limit
            paged += page["events"]
            if (cursor := page["next_cursor"]) is None:
                break
        assert paged == whole


async def test_erased_events_say_that_and_nothing_else(dsn: str) -> None:
    async with asked_who(dsn) as client:
        ann = as_user("ann")
        body = {"title": "rosebud", "messages": [user("rosebud")], "metadata": {"rosebud": 1}}
        made = (await client.post("/api/conversations", json=body, headers=ann)).json()
        path = f"/api/conversations/{made['id']}"
        assert (await client.delete(path, headers=ann)).status_code == 200
        auditor = bearer(key(dsn, "auditor", "audit"))
        told = await client.get(path + "/events", headers=auditor)
        assert told.status_code == 200
        assert "rosebud" not in told.text
        events = told.json()["events"]
        assert [each["words"] for each in events[:2]] == [
            "The conversation was started; the words were erased",
            "A message was added; the words were erased",
        ]
        assert events[-1]["words"].startswith("The conversation was erased")
        assert [each["redacted"] for each in events[:2]] == ["erased", "erased"]
        assert all(each["event"] is each["before"] is each["after"] is None for each in events[:2])
        assert problem(await client.get(path + "/events", headers=ann)) == (404, "conversation-not-found")
        assert problem(await client.get(path, params={"at": "1"}, headers=auditor)) == (410, "nothing-left")
        assert problem(await client.get(path, params={"at": "1"}, headers=ann)) == (
            404,
            "conversation-not-found",
        )
        feed = await client.get("/api/audit/events", headers=auditor)
        assert len(feed.json()["events"]) == len(events)
        assert "rosebud" not in feed.text


async def test_what_only_the_server_sees_is_not_told_to_the_user(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        made = await started(client, user("Hello"))
        one, caller = UUID(made["id"]), Caller("ann", "ann")
        hidden = MessageAdded(message_id="h", role="user", content="rosebud", kind="hidden_context")
        await commands.add_messages(hansard.repository, caller, one, [hidden])
        await commands.remove_message(hansard.repository, caller, one, "h")
    async with asked_who(dsn) as client:
        path, auditor = f"/api/conversations/{made['id']}", bearer(key(dsn, "auditor", "audit"))
        for where in (f"{path}/events", f"{path}?at=3"):
            assert "rosebud" not in (await client.get(where, headers=as_user("ann"))).text
            assert "rosebud" in (await client.get(where, headers=auditor)).text


# The feed


async def walked(client: httpx.AsyncClient, headers: dict[str, str], **params: Any) -> list[Any]:
    events, cursor = list[Any](), None
    while True:
        given = params | ({"cursor": cursor} if cursor else {})
        answer = await client.get("/api/audit/events", params=given, headers=headers)
        assert answer.status_code == 200, answer.text
        events += answer.json()["events"]
        if (cursor := answer.json()["next_cursor"]) is None:
            return events


def stored(dsn: str) -> dict[tuple[int, int], str]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT shard, position, topic FROM hansard.events").fetchall()
        return {(shard, position): topic for shard, position, topic in found}


USERS = [f"user{number}" for number in range(7)]


async def lively(client: httpx.AsyncClient) -> None:
    for name in USERS:
        made = await started(client, user("Hello"), by_user=name)
        await said(client, made, assistant("Hi."), user("Bye."), by_user=name)


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_the_feed_has_all_events_in_order_of_time(dsn: str, limit: int) -> None:
    async with calling(dsn) as client:
        await lively(client)
        found = await walked(client, {}, limit=limit)
        assert {(each["shard"], each["position"]): each["topic"] for each in found} == stored(dsn)
        assert len(found) == len(stored(dsn))
        assert [each["at"] for each in found] == sorted(each["at"] for each in found)


async def test_the_feed_goes_on_from_where_it_ended(dsn: str) -> None:
    async with calling(dsn) as client:
        await lively(client)
        page = await client.get("/api/audit/events", params={"limit": 1000})
        assert page.json()["next_cursor"] is None
        at = page.json()["newer"]
        nothing = (await client.get("/api/audit/events", params={"cursor": at})).json()
        assert nothing["events"] == []
        await started(client, user("Late"), by_user="user3")
        news = (await client.get("/api/audit/events", params={"cursor": at})).json()
        assert [each["words"] for each in news["events"]] == [
            "The conversation was started",
            "user3 said “Late”",
        ]


async def test_nothing_that_is_appended_behind_a_reader_is_missed(dsn: str) -> None:
    """Whatever its time: in the middle of a walk, another process's clock is an hour late."""
    async with calling(dsn) as client:
        await lively(client)
        page = (await client.get("/api/audit/events", params={"limit": 9})).json()
        seen = page["events"]
        await lively(client)
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "UPDATE hansard.events SET recorded_at = recorded_at - interval '1 hour' WHERE version > 2"
                " AND shard || ' ' || position <> ALL(%s)",
                [[f"{each['shard']} {each['position']}" for each in seen]],
            )
        seen += await walked(client, {}, limit=4, cursor=page["next_cursor"])
        assert sorted((each["shard"], each["position"]) for each in seen) == sorted(stored(dsn))


async def test_the_feed_is_filtered(dsn: str) -> None:
    async with calling(dsn) as client:
        await lively(client)
        hers = await walked(client, {}, user_id="user2", limit=2)
        assert {each["user_id"] for each in hers} == {"user2"}
        assert len(hers) == 4
        added = await walked(client, {}, topic=["message_added", "conversation_ended"])
        assert {each["topic"] for each in added} == {"message_added"}
        assert len(added) == 3 * len(USERS)
        one = hers[0]["conversation_id"]
        assert [each["version"] for each in await walked(client, {}, conversation_id=one)] == [1, 2, 3, 4]
        assert await walked(client, {}, actor="nobody") == []
        assert len(await walked(client, {}, actor="dev")) == len(stored(dsn))
        middle = added[5]["at"]
        before = await walked(client, {}, to=middle)
        after = await walked(client, {}, **{"from": middle})
        assert len(before) + len(after) == len(stored(dsn))
        assert all(each["at"] < middle for each in before)
        assert all(each["at"] >= middle for each in after)


@pytest.mark.parametrize("media_type", ["application/jsonl", "application/x-ndjson"])
async def test_the_feed_comes_as_lines(dsn: str, media_type: str) -> None:
    async with calling(dsn) as client:
        await lively(client)
        answer = await client.get("/api/audit/events", headers={"Accept": media_type})
        assert answer.headers["content-type"].startswith(media_type)
        *events, last = [json.loads(line) for line in answer.text.splitlines()]
        assert events == await walked(client, {})
        assert last.keys() == {"newer"}
        more = await client.get("/api/audit/events", params={"cursor": last["newer"]})
        assert more.json()["events"] == []


async def test_a_cursor_is_of_one_feed(dsn: str) -> None:
    async with calling(dsn) as client:
        await lively(client)
        cursor = (await client.get("/api/audit/events", params={"limit": 1})).json()["next_cursor"]
        other = await client.get("/api/audit/events", params={"cursor": cursor, "actor": "dev"})
        assert problem(other) == (400, "bad-cursor")


# The digests


async def test_a_conversation_is_verified(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Lucky?"), assistant("Yes."))
        path = f"/api/audit/conversations/{made['id']}/verify"
        whole = (await client.get(path)).json()
        assert whole == {
            "conversation_id": made["id"],
            "holds": True,
            "events": 3,
            "faults": [],
            "faults_in_all": 0,
        }
        with psycopg.connect(dsn) as connection:
            connection.execute("UPDATE hansard.events SET actor = 'mallory' WHERE version = 2")
        broken = (await client.get(path)).json()
        assert (broken["holds"], broken["faults_in_all"]) == (False, 1)
        fault = broken["faults"][0]
        assert (fault["version"], fault["shard"]) == (2, shard_of("ann", SHARDS))
        assert fault["what"]
        nobodys = "/api/audit/conversations/00000000-0000-7000-8000-000000000000/verify"
        assert problem(await client.get(nobodys)) == (404, "conversation-not-found")


# At


async def test_what_was_answered_then_is_answered_again(dsn: str) -> None:
    """After each change everything is read; in the end, each version is asked for once more."""
    async with calling(dsn) as client:
        made = await started(client, user("One"), links=[{"kind": "opportunity", "id": "1"}])
        path, now = f"/api/conversations/{made['id']}", dict[int, tuple[Any, Any]]()

        async def look() -> None:
            read = await got(client, path)
            now[read["version"]] = (read, (await got(client, f"{path}/messages"))["messages"])

        await look()
        changes: list[dict[str, Any]] = [
            {"title": "A"},
            {"metadata": {"a": 1}},
            {"links": [{"kind": "opportunity", "id": "2"}, {"kind": "order", "id": "3"}]},
            {"title": "B"},
            {"ended": True},
            {"ended": False},
            {"links": []},
        ]
        for change in changes:
            await changed(client, made, **change)
            await look()
            if change != {"ended": True}:
                await said(client, made, assistant(f"After {change}"), user("And?"))
                await look()
        for version, (read, messages) in now.items():
            then = await got(client, path, at=str(version))
            assert then["messages"] == messages
            assert {name: then[name] for name in read} == read


async def test_a_conversation_is_shown_as_it_stood(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Lucky?"), assistant("Yes."), title="A")
        await changed(client, made, title="B", ended=True)
        path = f"/api/conversations/{made['id']}"
        then = await got(client, path, at="2")
        assert (then["title"], then["ended"], then["version"], then["current_version"]) == ("A", False, 2, 5)
        assert [each["content"] for each in then["messages"]] == ["Lucky?"]
        events = await history(client, made)
        assert then["at"] == events[1]["at"]
        assert (await got(client, path, at=events[3]["at"]))["title"] == "B"
        now = await got(client, path)
        assert "messages" not in now
        assert now | dict.fromkeys(("at", "current_version", "messages", "older", "newer")) == (
            await got(client, path, at="5")
        ) | dict.fromkeys(("at", "current_version", "messages", "older", "newer"))


@pytest.mark.parametrize("at", ["yesterday", "", "-1", "1.5", "2026-13-01", "1" * 30, "\uff19"])
async def test_what_is_no_version_and_no_time_is_refused(dsn: str, at: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Lucky?"))
        answer = await client.get(f"/api/conversations/{made['id']}", params={"at": at}, headers=by("ann"))
        assert problem(answer) == (400, "bad-request")
        assert answer.json()["field"] == "at"
        assert "a version, as in 12" in answer.json()["detail"]


async def test_a_version_that_there_is_not_is_told_from_the_last_one(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Lucky?"))
        path = f"/api/conversations/{made['id']}"
        for at in ("3", "0"):
            answer = await client.get(path, params={"at": at}, headers=by("ann"))
            assert problem(answer) == (404, "no-such-version")
            assert answer.json()["current_version"] == 2
        answer = await client.get(path, params={"at": "2001-01-01"}, headers=by("ann"))
        assert problem(answer) == (404, "before-the-start")
        assert made["created_at"][:19] in answer.json()["detail"]


async def test_a_long_conversation_is_paged_as_it_stood(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, *(user(f"{number}") for number in range(25)))
        path = f"/api/conversations/{made['id']}"
        found: list[Any] = []
        params: dict[str, Any] = {"at": "21", "limit": 6}
        while True:
            page = await got(client, path, **params)
            assert page["message_count"] == 20
            found = page["messages"] + found
            if page["older"] is None:
                break
            params["before"] = page["older"]
        assert [each["content"] for each in found] == [f"{number}" for number in range(20)]
        newest = await got(client, path, at="21", limit=6)
        assert (await got(client, path, at="21", after=newest["newer"]))["messages"] == []
        first = await got(client, path, at="21", limit=6, before=page["newer"])
        again = await got(client, path, at="21", limit=6, after=first["older"]) if first["older"] else None
        assert again is None or again["messages"]


# Who reads


READ = ("user_id", "conversation_id", "reader", "operation", "request_id")


async def on_record(client: httpx.AsyncClient, auditor: dict[str, str], **params: Any) -> list[Any]:
    answer = await client.get("/api/audit/reads", params=params, headers=auditor)
    assert answer.status_code == 200, answer.text
    return [tuple(each[name] for name in READ) for each in answer.json()["reads"]]


async def test_what_an_auditor_reads_is_on_record_before_she_is_answered(dsn: str) -> None:
    async with asked_who(dsn) as client:
        ann = as_user("ann")
        made = (await client.post("/api/conversations", json={"messages": [user("Hi")]}, headers=ann)).json()
        one, auditor = made["id"], bearer(key(dsn, "auditor", "audit"))
        asked = auditor | {"X-Request-Id": "r-7"}
        for path in (
            f"/api/conversations/{one}/events",
            f"/api/conversations/{one}/messages",
            f"/api/conversations/{one}?at=1",
            "/api/audit/events?user_id=ann",
            "/api/audit/events",
            f"/api/audit/conversations/{one}/verify",
            "/api/conversations?user_id=ann",
        ):
            await client.get(path, headers=asked)
            with psycopg.connect(dsn) as connection:
                last = connection.execute(
                    "SELECT user_id, conversation_id::text, reader, request_id FROM hansard.reads"
                    " ORDER BY id DESC LIMIT 1"
                ).fetchone()
            whole = path == "/api/audit/events"
            assert last == (None if whole else "ann", one if one in path else None, "key:auditor", "r-7")
        for shown in (ann, bearer(key(dsn, "backend", "read")) | {"X-User-Id": "ann"}):
            await client.get(f"/api/conversations/{one}/events", headers=shown)
        await client.get(f"/api/conversations/{UUID(int=7)}/events", headers=auditor)
        found = await on_record(client, auditor, limit=100)
        assert len(found) == 7
        assert found[-1] == (
            "ann",
            one,
            "key:auditor",
            "GET /api/conversations/{conversation_id}/events",
            "r-7",
        )


async def test_everybodys_reads_are_on_record_where_that_is_wanted(dsn: str) -> None:
    async with asked_who(dsn, record_reads="all") as client:
        ann = as_user("ann")
        made = (await client.post("/api/conversations", json={"messages": [user("Hi")]}, headers=ann)).json()
        await client.get(f"/api/conversations/{made['id']}/messages", headers=ann)
        await client.get("/api/chat/sessions", headers=ann)
    async with asked_who(dsn) as client:
        auditor = bearer(key(dsn, "auditor", "audit"))
        assert [each[:4] for each in await on_record(client, auditor, user_id="ann")] == [
            ("ann", None, "ann", "GET /api/chat/sessions"),
            ("ann", made["id"], "ann", "GET /api/conversations/{conversation_id}/messages"),
        ]
        assert await on_record(client, auditor, user_id="bob") == []


async def test_reads_are_paged_and_filtered(dsn: str) -> None:
    async with asked_who(dsn) as client:
        auditor = bearer(key(dsn, "auditor", "audit"))
        made = [
            (await client.post("/api/conversations", json={}, headers=as_user(name))).json()["id"]
            for name in USERS
        ]
        for one in made:
            await client.get(f"/api/conversations/{one}/events", headers=auditor)
        found: list[Any] = []
        params: dict[str, Any] = {"limit": 2, "to": "2999-01-01"}
        while True:
            page = (await client.get("/api/audit/reads", params=params, headers=auditor)).json()
            found += page["reads"]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert [each["conversation_id"] for each in found] == made[::-1]
        middle = found[3]["at"]
        later = await on_record(client, auditor, **{"from": middle, "to": found[1]["at"]})
        assert [each[1] for each in later] == made[::-1][2:4]
        assert [each[1] for each in await on_record(client, auditor, conversation_id=made[2])] == [made[2]]


async def test_an_auditors_read_that_cannot_be_recorded_is_not_answered(dsn: str) -> None:
    async with asked_who(dsn) as client:
        made = (await client.post("/api/conversations", json={}, headers=as_user("ann"))).json()
        auditor = bearer(key(dsn, "auditor", "audit"))
        with psycopg.connect(dsn) as connection:
            connection.execute("ALTER TABLE hansard.reads RENAME TO elsewhere")
        for path in (f"/api/conversations/{made['id']}/events", f"/v1/conversations/{made['id']}"):
            answer = await client.get(path, headers=auditor)
            assert problem(answer) == (503, "read-not-recorded")
            assert made["id"] not in answer.text
        own = await client.get(f"/api/conversations/{made['id']}/events", headers=as_user("ann"))
        assert own.status_code == 200
