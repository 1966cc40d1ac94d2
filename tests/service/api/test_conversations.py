"""Conversations: started, read, changed in one step, added to, erased; each of them once and for all."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.model import Hold, scripted
from tests.service.api.calling import calling, events, problem
from tests.service.api.recording import assistant, at_once, blanked, by, got, said, started, user
from tests.service.store.appending import rows
from tests.service.test_health import change

ANN = by("ann")
LINK = {"kind": "opportunity", "id": "opp_42"}
STARTED = (
    '{"id":"ID1","user_id":"ann","title":"How tall is it?","created_at":"TIME1","updated_at":"TIME1",'
    '"ended":false,"message_count":1,"metadata":{"channel":"web"},'
    '"links":[{"kind":"opportunity","id":"opp_42"}],"version":2,"position":"PLACE1","name":null}'
)


@pytest.mark.parametrize("path", ["/api/conversations", "/api/conversations/"])
async def test_a_conversation_starts_with_its_first_messages(dsn: str, path: str) -> None:
    async with calling(dsn) as client:
        body = {"metadata": {"channel": "web"}, "links": [LINK], "messages": [user("How tall is it?")]}
        answer = await client.post(path, json=body, headers=ANN)
        assert (answer.status_code, blanked(answer)) == (201, STARTED)
        assert answer.headers["Location"] == f"/api/conversations/{answer.json()['id']}"
        assert answer.headers["ETag"] == '"2"'
        read = await client.get(answer.headers["Location"])
        assert (read.status_code, read.content, read.headers["ETag"]) == (200, answer.content, '"2"')


async def test_a_conversation_may_start_with_nothing(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        assert (made["title"], made["message_count"], made["version"]) == (None, 0, 1)
        page = await got(client, f"/api/conversations/{made['id']}/messages")
        assert (page["messages"], page["older"]) == ([], None)
        await said(client, made, user("Hello"))
        since = await got(client, f"/api/conversations/{made['id']}/messages", after=page["newer"])
        assert [each["content"] for each in since["messages"]] == ["Hello"]


async def test_a_given_title_goes_before_what_was_asked_first(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, assistant("Welcome"), user("How tall is it?"), title="Tower")
        assert made["title"] == "Tower"
        untitled = await started(client, assistant("Welcome"), user("How tall is it?"))
        assert untitled["title"] == "How tall is it?"
        await said(client, later := await started(client), assistant("Welcome"), user("And that?"))
        assert (await got(client, f"/api/conversations/{later['id']}"))["title"] == "And that?"


async def test_everything_changes_in_one_step(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"), links=[LINK, {"kind": "b", "id": "2"}], title="Old")
        changes: dict[str, Any] = {
            "title": "New",
            "metadata": {"a": [1, None]},
            "links": [{"kind": "c", "id": "3"}, {"kind": "b", "id": "2"}],
            "ended": True,
        }
        answer = await client.patch(f"/api/conversations/{made['id']}", json=changes, headers=ANN)
        told = answer.json()
        assert told | changes == told | {"links": changes["links"]}
        assert told["links"] == [{"kind": "b", "id": "2"}, {"kind": "c", "id": "3"}]
        assert (told["version"], answer.headers["ETag"]) == (7, '"7"')
        assert (await client.get(f"/api/conversations/{made['id']}", headers=ANN)).json() | {
            "position": told["position"]
        } == told
        moments = rows(dsn, "SELECT count(DISTINCT recorded_at) FROM events WHERE version > 2")
        assert moments == [(1,)]


async def test_what_is_left_out_of_a_change_stays(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"), title="T", metadata={"a": 1}, links=[LINK])
        path = f"/api/conversations/{made['id']}"
        ended = (await client.patch(path, json={"ended": True}, headers=ANN)).json()
        assert ended == made | {"ended": True, "version": 3, "position": ended["position"]}
        reopened = (await client.patch(path, json={"ended": False}, headers=ANN)).json()
        assert reopened == made | {"version": 4, "position": reopened["position"]}
        stored = events(dsn)
        nothing = await client.patch(path, json={"title": "T", "links": [LINK], "ended": False}, headers=ANN)
        assert nothing.json() == reopened | {"position": made["position"]}
        assert events(dsn) == stored


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tilte": "T"}, "tilte"),
        ({"title": None}, "title"),
        ({"ended": "yes"}, "ended"),
        ({"title": ""}, "title"),
        ({"title": "x" * 256}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"links": [{"kind": "a", "target": "b"}]}, "target"),
        ({"metadata": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}}, "metadata"),
    ],
)
async def test_a_change_that_cannot_be_kept_changes_nothing(
    dsn: str, changes: dict[str, Any], field: str
) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"))
        path = f"/api/conversations/{made['id']}"
        answer = await client.patch(path, json={"ended": True} | changes, headers=ANN)
        assert answer.status_code == 400
        assert field in answer.json()["field"]
        assert await got(client, path) == made


@pytest.mark.parametrize("how", ["header", "body", "weak"])
async def test_who_expects_another_version_is_told_the_current_one(dsn: str, how: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"))
        path = f"/api/conversations/{made['id']}"
        await said(client, made, assistant("Hello"))
        stored = events(dsn)
        for method, at, body in (
            ("PATCH", path, {"title": "T"}),
            ("POST", path + "/messages", user("More")),
            ("POST", path + "/messages/batch", {"messages": [user("More")]}),
            ("DELETE", path, None),
        ):
            in_body = how == "body" and body is not None
            sent = {**(body or {}), "expected_version": 2} if in_body else body
            headers = ANN if in_body else ANN | {"If-Match": 'W/"2"' if how == "weak" else '"2"'}
            answer = await client.request(method, at, json=sent, headers=headers)
            assert problem(answer) == (409, "version-conflict")
            assert answer.json()["current_version"] == 3
        assert events(dsn) == stored
        fits = await client.patch(path, json={"title": "T"}, headers=ANN | {"If-Match": '"3"'})
        assert fits.status_code == 200


@pytest.mark.parametrize("named", ['"3"', 'W/"3"', '"1", "3"', "*"])
async def test_who_knows_a_conversation_as_it_stands_is_told_just_that(dsn: str, named: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?"), assistant("330 metres."))
        path, known = f"/api/conversations/{made['id']}", by("ann") | {"If-None-Match": named}
        same = await client.get(path, headers=known)
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", '"3"')
        assert (await client.patch(path, json={"title": "T"}, headers=by("ann"))).status_code == 200
        if named != "*":
            newer = await client.get(path, headers=known)
            assert (newer.status_code, newer.json()["title"]) == (200, "T")


@pytest.mark.parametrize("named", ['"2"', "3", "", '""', "three"])
async def test_who_knows_another_version_or_none_is_told_all(dsn: str, named: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?"), assistant("330 metres."))
        known = by("ann") | {"If-None-Match": named}
        assert (await client.get(f"/api/conversations/{made['id']}", headers=known)).json() == made


async def test_nobody_is_told_whether_a_version_of_anothers_conversation_is_known(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?"))
        known = by("eve") | {"If-None-Match": "*"}
        answer = await client.get(f"/api/conversations/{made['id']}", headers=known)
        assert problem(answer) == (404, "conversation-not-found")


async def test_the_list_is_filtered_by_link_by_title_and_by_what_goes_on(dsn: str) -> None:
    async with calling(dsn) as client:
        await started(client, user("100% sure"), links=[LINK])
        await started(client, user("1000 ways"))
        ended = await started(client, user("100% ended"), links=[LINK])
        await client.patch(f"/api/conversations/{ended['id']}", json={"ended": True}, headers=ANN)
        await started(client, user("100% his"), links=[LINK], by_user="bob")

        async def titles(**asked: Any) -> list[str]:
            listed = await got(client, "/api/conversations", **asked)
            return [each["title"] for each in listed["conversations"]]

        assert await titles() == ["100% ended", "1000 ways", "100% sure"]
        assert await titles(q="100%") == ["100% ended", "100% sure"]
        assert await titles(q="SURE") == ["100% sure"]
        assert await titles(link="opportunity:opp_42", active_only=True) == ["100% sure"]
        assert await titles(link="opportunity:opp_4") == []
        assert await titles(q="") == await titles()


@pytest.mark.parametrize("params", ["q=%00", "link=opp_42", "link=:x", "link=x:", "link=a%00:b"])
async def test_a_filter_that_nothing_can_match_is_refused(dsn: str, params: str) -> None:
    async with calling(dsn) as client:
        answer = await client.get(f"/api/conversations?user_id=ann&{params}")
        assert answer.status_code == 400
        assert answer.json()["field"]


async def test_an_erased_conversation_takes_nothing_and_shows_nothing(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Secret"), title="Very secret", links=[LINK])
        path = f"/api/conversations/{made['id']}"
        answer = await client.delete(path, headers=ANN)
        assert blanked(answer) == '{"id":"ID1","erased":{"messages":1},"version":3,"position":"PLACE1"}'
        assert answer.headers["ETag"] == '"3"'
        for at in (path, path + "/messages", path + "/messages/"):
            assert problem(await client.get(at, headers=ANN)) == (404, "conversation-not-found")
        assert problem(await client.delete(path, headers=ANN)) == (404, "conversation-not-found")
        added = await client.post(path + "/messages", json=user("More"), headers=ANN)
        assert problem(added) == (404, "conversation-not-found")
        assert (await got(client, "/api/links/opportunity/opp_42/conversations"))["conversations"] == []


async def test_a_reply_that_is_running_goes_with_its_conversation(dsn: str) -> None:
    with scripted() as model:
        hold = Hold()
        model.answers("The secret ", hold, "is out.")
        settings = {"responder": "openai", "openai_base_url": model.url, "openai_model": "scripted"}
        async with at_once(dsn, **settings) as (client, _):
            made = await started(client)
            path = f"/api/chat/{made['id']}/message"
            asking = asyncio.create_task(client.post(path, json={"message": "Well?"}, headers=ANN))
            await asyncio.to_thread(hold.reached)
            assert rows(dsn, "SELECT count(*) FROM hansard.drafts") == [(1,)]
            erased = await client.delete(f"/api/conversations/{made['id']}", headers=ANN)
            assert erased.json()["erased"] == {"messages": 1}
            assert problem(await asking) == (410, "conversation-erased")
            assert rows(dsn, "SELECT count(*) FROM hansard.drafts") == [(0,)]
            hold.go()


async def test_somebody_elses_conversation_is_answered_as_if_it_did_not_exist(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"))
        stored = events(dsn)
        for method, at, body in (
            ("GET", "", None),
            ("PATCH", "", {"title": "Mine"}),
            ("DELETE", "", None),
            ("GET", "/messages", None),
            ("GET", "/messages?limit=1", None),
            ("POST", "/messages", user("Hello")),
            ("POST", "/messages/batch", {"messages": [user("Hello")]}),
        ):
            one, other = [
                await client.request(
                    method, f"/api/conversations/{name}{at}", json=body, headers=by("mallory")
                )
                for name in (made["id"], uuid4())
            ]
            assert problem(one) == (404, "conversation-not-found")
            assert one.content == other.content
        assert events(dsn) == stored


async def test_the_user_may_be_named_in_the_body(dsn: str) -> None:
    async with calling(dsn) as client:
        body = {"user_id": "ann", "messages": [user("Hi")]}
        made = (await client.post("/api/conversations", json=body)).json()
        assert made["user_id"] == "ann"
        path = f"/api/conversations/{made['id']}/messages"
        other = await client.post(path, json=user("Hi", user_id="bob"))
        assert problem(other) == (404, "conversation-not-found")
        differ = await client.post(path, json=user("Hi", user_id="bob"), headers=ANN)
        assert problem(differ) == (400, "users-differ")


async def test_a_cursor_is_good_for_its_own_user_and_list_only(dsn: str) -> None:
    async with calling(dsn) as client:
        for name in ("ann", "bob"):
            for number in range(3):
                await started(client, user(f"{number}"), by_user=name)
        anns = (await got(client, "/api/conversations", limit=1))["next_cursor"]
        place = (await got(client, "/api/chat/history"))["newer"]
        for path, who in (
            (f"/api/conversations?cursor={anns}", "bob"),
            (f"/api/conversations?cursor={place}", "ann"),
            (f"/api/chat/history?before={anns}", "ann"),
            (f"/api/chat/history?before={place}", "bob"),
        ):
            assert problem(await client.get(path, headers=by(who))) == (400, "bad-cursor")


async def test_times_are_utc_with_microseconds_whatever_zone_the_database_is_in(dsn: str) -> None:
    (name,) = rows(dsn, "SELECT current_database()")[0]
    change(dsn, f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")
    async with calling(dsn) as client:
        made = await started(client, user("Hi"))
        assert (await got(client, f"/api/conversations/{made['id']}"))["created_at"] == made["created_at"]
        history = await client.get("/api/chat/history", headers=ANN)
        assert made["created_at"] in history.text
        assert "TIME1" in blanked(history)
