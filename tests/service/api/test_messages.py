"""Messages put on the record: as they were sent, in order, once, whoever repeats what."""

import asyncio
from typing import Any

import pytest

from tests.service.api.calling import calling, events, problem
from tests.service.api.recording import assistant, at_once, blanked, by, got, said, started, user

ANN = by("ann")
LINK = {"kind": "opportunity", "id": "opp_42"}
ADDED = (
    '{"id":"ID1","conversation_id":"ID2","user_id":"ann","role":"assistant","kind":"message",'
    '"content":"330 metres.","timestamp":"TIME1","is_fortune":false,"metadata":{"model":"m"},'
    '"status":"complete","tags":[],"version":3,"in_reply_to":"q1","position":"PLACE1"}'
)


async def test_a_message_is_put_on_the_record(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?"))
        path = f"/api/conversations/{made['id']}/messages"
        body = assistant("330 metres.", metadata={"model": "m"}, in_reply_to="q1")
        answer = await client.post(path, json=body, headers=ANN)
        assert (answer.status_code, blanked(answer)) == (201, ADDED)
        assert answer.headers["ETag"] == '"3"'
        page = await got(client, path, after=made["position"])
        assert page["messages"] == [{k: v for k, v in answer.json().items() if k != "position"}]
        nothing = await got(client, path, after=answer.json()["position"])
        assert nothing["messages"] == []


@pytest.mark.parametrize("words", ["a\0b", "\U0001f469\u200d\U0001f680", "\u2028</script>", "x" * 100_000])
async def test_words_come_back_as_they_were_sent(dsn: str, words: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user(words, metadata={"n": 1.0, "deep": [{"\u00e9": None}]}))
        await said(client, made, assistant(words))
        page = await got(client, f"/api/conversations/{made['id']}/messages")
        assert [each["content"] for each in page["messages"]] == [words, words]
        assert page["messages"][0]["metadata"] == {"n": 1.0, "deep": [{"\u00e9": None}]}


async def test_a_batch_is_stored_whole_and_in_order(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        batch = [user(f"{number}") for number in range(1000)]
        told = await said(client, made, *batch)
        assert (told["count"], told["version"], len(set(told["ids"]))) == (1000, 1001, 1000)
        page = await got(client, f"/api/conversations/{made['id']}/messages", limit=1000)
        assert [each["content"] for each in page["messages"]] == [each["content"] for each in batch]
        assert [each["id"] for each in page["messages"]] == told["ids"]


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (user(""), (400, "empty")),
        ({"role": "narrator", "content": "x"}, (400, "bad-request")),
        ({"role": "user"}, (400, "bad-request")),
        (user("x", tokens=-1), (400, "out-of-range")),
        (user("x", mood="good"), (400, "bad-request")),
        (user("x" * 1_000_001), (413, "content-too-long")),
        (user("x", id="a\0b"), (400, "name-has-nul")),
    ],
)
async def test_of_a_batch_with_one_bad_message_nothing_is_stored(
    dsn: str, last: dict[str, Any], told: tuple[int, str]
) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        body = {"messages": [user("fine"), last]}
        assert problem(await client.post(path + "/batch", json=body, headers=ANN)) == told
        assert (await got(client, path))["messages"] == []


async def test_more_than_a_thousand_at_once_are_refused(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages/batch"
        answer = await client.post(path, json={"messages": [user("x")] * 1001}, headers=ANN)
        assert problem(answer) == (413, "too-many-messages")
        assert answer.json()["limit"] == 1000


async def test_a_message_with_an_id_of_the_callers_is_added_once(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        first = await client.post(path, json=user("Hi", id="m-1"), headers=ANN)
        again = await client.post(path, json=user("Hi", id="m-1"), headers=ANN)
        assert first.json() == again.json() | {"position": first.json()["position"]}
        assert (first.status_code, again.status_code) == (201, 201)
        other = await client.post(path, json=user("Ho", id="m-1"), headers=ANN)
        assert problem(other) == (409, "message-exists")
        batch = await said(client, made, user("Hi", id="m-1"), user("More", id="m-2"))
        assert (batch["ids"], batch["version"]) == (["m-1", "m-2"], 3)


async def test_a_write_that_is_repeated_under_its_key_gets_the_first_answer_again(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"), links=[LINK])
        path = f"/api/conversations/{made['id']}"
        firsts = []
        for number, (method, at, body) in enumerate(writes_to(made["id"])):
            headers = ANN | {"Idempotency-Key": f"key-{number}"}
            firsts.append(await client.request(method, at, json=body, headers=headers))
            await client.patch(path, json={"ended": False}, headers=ANN)
            await said(client, made, user("Something else"))
        stored = events(dsn)
        for number, (method, at, body) in enumerate(writes_to(made["id"])):
            headers = ANN | {"Idempotency-Key": f"key-{number}"}
            again = await client.request(method, at, json=body, headers=headers)
            first = firsts[number]
            assert (again.status_code, again.content) == (first.status_code, first.content), at
            assert again.headers.get("ETag") == first.headers.get("ETag")
            other = await client.request(method, at, json=(body or {}) | {"user_id": "ann"}, headers=headers)
            assert problem(other) == (409, "idempotency-key-reused")
        assert events(dsn) == stored


async def test_what_has_been_erased_since_is_not_answered_again(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"))
        path = f"/api/conversations/{made['id']}"
        writes = [*writes_to(made["id"]), ("DELETE", path, None)]
        firsts = [
            await client.request(method, at, json=body, headers=ANN | {"Idempotency-Key": f"key-{number}"})
            for number, (method, at, body) in enumerate(writes)
        ]
        await client.delete(f"/api/conversations/{firsts[0].json()['id']}", headers=ANN)
        agains = [
            await client.request(method, at, json=body, headers=ANN | {"Idempotency-Key": f"key-{number}"})
            for number, (method, at, body) in enumerate(writes)
        ]
        assert [problem(again) for again in agains[:5]] == [(410, "conversation-erased")] * 5
        assert [again.content for again in agains[5:]] == [first.content for first in firsts[5:]]


def writes_to(conversation_id: str) -> list[tuple[str, str, Any]]:
    path = f"/api/conversations/{conversation_id}"
    batch = [user("d"), user("e", id="m"), user("f")]
    return [
        ("POST", "/api/conversations", {"messages": [user("a"), assistant("b")], "title": "T"}),
        ("POST", path + "/messages", user("c")),
        ("PATCH", path, {"title": "T", "metadata": {"a": 1}, "links": [LINK], "ended": True}),
        ("PATCH", path, {"links": [], "ended": False}),
        ("POST", path + "/messages/batch", {"messages": batch}),
        ("POST", "/api/chat/end-session", {"session_id": conversation_id}),
    ]


async def test_a_request_that_is_sent_ten_times_at_once_is_carried_out_once(dsn: str) -> None:
    async with at_once(dsn) as (client, _), at_once(dsn) as (other, _):
        headers = ANN | {"Idempotency-Key": "once"}
        body = {"messages": [user("Hi")]}
        answers = await asyncio.gather(
            *(
                which.post("/api/conversations", json=body, headers=headers)
                for _ in range(5)
                for which in (client, other)
            )
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert events(dsn) == 2


async def test_twenty_clients_add_at_once_and_all_is_kept_in_one_order(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        path = f"/api/conversations/{(await started(client))['id']}/messages"
        answers = await asyncio.gather(
            *(client.post(path, json=user(f"{number}"), headers=ANN) for number in range(20))
        )
        by_version = {answer.json()["version"]: answer.json()["content"] for answer in answers}
        assert sorted(by_version) == list(range(2, 22))
        page = await got(client, path)
        assert [each["content"] for each in page["messages"]] == [by_version[at] for at in range(2, 22)]
