"""An agent's conversation over HTTP: items put on the record beside plain messages, and read back whole."""

from typing import Any

import pytest

from domain.message import SHOWN
from tests.contracts.openai_items import every_shape
from tests.service.api.calling import as_user, asked_who, calling, events, problem
from tests.service.api.recording import assistant, by, got, said, started, user

ANN = by("ann")
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c_1", "name": "look", "arguments": '{"up":"x"}'}
OUTPUT = {"type": "function_call_output", "id": "fco_1", "call_id": "c_1", "output": "nothing"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]}
PROMPT = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief"}]}
REPLY = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "No", "x": 1}]}


def whole(item: dict[str, Any]) -> dict[str, Any]:
    return {"item": item}


async def items_of(client: Any, conversation: Any, **asked: Any) -> list[Any]:
    path = f"/api/conversations/{conversation['id']}/messages"
    page = await got(client, path, include="items", **{"limit": 1000, **asked})
    return [message["item"] for message in page["messages"]]


async def test_an_item_is_put_on_the_record_whole(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Look it up"))
        path = f"/api/conversations/{made['id']}/messages"
        answer = await client.post(path, json=whole(CALL) | {"metadata": {"run": 1}}, headers=ANN)
        told = answer.json()
        assert (answer.status_code, told["id"], told["item"]) == (201, "fc_1", CALL)
        assert (told["role"], told["kind"], told["content"]) == ("assistant", "tool_call", 'look({"up":"x"})')
        assert told["metadata"] == {"run": 1}
        page = await got(client, path, include="items", after=made["position"])
        assert page["messages"] == [{key: told[key] for key in told if key != "position"}]


async def test_every_shape_of_item_comes_back_as_it_was_given(dsn: str) -> None:
    given = [item for item in every_shape() if item.get("type") != "message" and "role" not in item]
    async with calling(dsn) as client:
        made = await started(client)
        ids = (await said(client, made, *map(whole, given)))["ids"]
        read = await items_of(client, made)
        assert len(read) == len(given) > 400
        for item, message_id, back in zip(given, ids, read, strict=True):
            is_reference = item.get("type", "item_reference") == "item_reference"
            assert back == item if is_reference else item | {"id": message_id}


async def test_only_those_who_ask_for_items_are_shown_what_an_agent_did(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, whole(PROMPT), user("Hi"), whole(THOUGHT), whole(CALL), whole(OUTPUT))
        await said(client, made, whole(REPLY))
        path = f"/api/conversations/{made['id']}/messages"
        shown = (await got(client, path))["messages"]
        assert [message["content"] for message in shown] == ["Hi", "No"]
        assert all("item" not in message for message in shown)
        assert {message["kind"] for message in shown} <= set(SHOWN)
        everything = (await got(client, path, include="items"))["messages"]
        kinds = ["instructions", "message", "reasoning", "tool_call", "tool_output", "message"]
        assert [message["kind"] for message in everything] == kinds
        roles = ["system", "user", "assistant", "assistant", "tool", "assistant"]
        assert [message["role"] for message in everything] == roles
        assert made["title"] == "Hi"


async def test_a_plain_message_reads_as_an_item(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"), assistant("Ho", id="own", status="interrupted"))
        asked, answered = await items_of(client, made)
        assert asked["id"].startswith("msg_")
        assert asked["content"] == [{"type": "input_text", "text": "Hi"}]
        assert answered == {
            "id": "own",
            "type": "message",
            "status": "incomplete",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Ho", "annotations": []}],
        }


async def test_pages_of_items_lead_to_each_other(dsn: str) -> None:
    async with calling(dsn) as client:
        calls = [{**CALL, "id": f"fc_{number}"} for number in range(10)]
        made = await started(client, *(whole(call) for call in calls))
        path, found, before = f"/api/conversations/{made['id']}/messages", list[Any](), dict[str, Any]()
        while True:
            page = await got(client, path, include="items", limit=3, **before)
            found = [message["item"] for message in page["messages"]] + found
            if page["older"] is None:
                break
            before = {"before": page["older"]}
        assert found == calls
        assert await items_of(client, made, after=made["position"]) == []


async def test_words_beside_an_item_must_be_its_own(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        same = whole(CALL) | {"id": "fc_1", "role": "assistant", "content": 'look({"up":"x"})'}
        assert (await client.post(path, json=same, headers=ANN)).status_code == 201
        for other in ({"id": "fc_2"}, {"role": "user"}, {"content": "look"}):
            answer = await client.post(path, json=whole(CALL) | other, headers=ANN)
            assert problem(answer) == (400, "item-contradicted")
            assert answer.json()["field"] == next(iter(other))


async def test_an_item_without_an_id_takes_the_one_that_is_given_beside_it(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        bare = {key: value for key, value in CALL.items() if key != "id"}
        await said(client, made, whole(bare) | {"id": "mine"}, whole(bare))
        first, second = await items_of(client, made)
        assert first == bare | {"id": "mine"}
        assert second["id"].startswith("fc_")


@pytest.mark.parametrize(
    ("message", "told", "field"),
    [
        ({}, "bad-request", "messages[1].role"),
        ({"role": "user"}, "bad-request", "messages[1].content"),
        ({"item": 5}, "bad-request", "messages[1].item"),
        ({"item": {}}, "item-unfit", "messages[1].item.type"),
        ({"item": {"type": "x", "id": 5}}, "item-unfit", "messages[1].item.id"),
        ({"item": {"role": "narrator", "content": "x"}}, "not-one-of", "messages[1].item.role"),
        ({"item": {"role": "user", "content": 5}}, "item-unfit", "messages[1].item.content"),
        ({"item": {"type": "x", "y": {"z": 2**70}}}, "out-of-range", "messages[1].item.y.z"),
        ({"item": {"type": "x", "y": "z" * 1_000_000}}, "content-too-long", "messages[1].item"),
        ({"item": CALL, "role": "user"}, "item-contradicted", "messages[1].role"),
    ],
)
async def test_of_a_batch_with_one_bad_item_nothing_is_stored(
    dsn: str, message: dict[str, Any], told: str, field: str
) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path, before = f"/api/conversations/{made['id']}/messages/batch", events(dsn)
        answer = await client.post(path, json={"messages": [user("fine"), message]}, headers=ANN)
        assert (answer.json()["type"], answer.json()["field"]) == (told, field)
        assert events(dsn) == before


async def test_an_item_with_an_id_of_its_own_is_added_once(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        first = await client.post(path, json=whole(CALL), headers=ANN)
        again = await client.post(path, json=whole(CALL), headers=ANN)
        assert again.json() == {key: value for key, value in first.json().items() if key != "position"}
        other = await client.post(path, json=whole(CALL | {"arguments": "{}"}), headers=ANN)
        assert problem(other) == (409, "message-exists")


async def test_a_batch_of_items_that_is_repeated_under_its_key_gets_the_first_answer_again(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        path, headers = f"/api/conversations/{made['id']}/messages/batch", ANN | {"Idempotency-Key": "k"}
        bare = {"type": "reasoning", "summary": []}
        body = {"messages": [whole(bare), whole(CALL), user("Hi"), whole(bare)]}
        first = await client.post(path, json=body, headers=headers)
        again = await client.post(path, json=body, headers=headers)
        assert (first.status_code, first.content) == (201, again.content)
        assert len(await items_of(client, made)) == 4


async def test_items_are_shown_as_they_stood_to_those_who_ask_for_them(dsn: str) -> None:
    async with asked_who(dsn) as client:
        path = await told_by_ann(client, user("Hi"), whole(CALL), whole(OUTPUT))
        then = (await client.get(path, params={"at": 3, "include": "items"}, headers=as_user("ann"))).json()
        assert [message["item"] for message in then["messages"]][1:] == [CALL]
        plain = (await client.get(path, params={"at": 3}, headers=as_user("ann"))).json()
        assert [message["content"] for message in plain["messages"]] == ["Hi"]
        assert "item" not in plain["messages"][0]


async def test_what_an_agent_did_is_told_in_words_to_those_who_ask_for_items(dsn: str) -> None:
    did = whole(PROMPT), whole(CALL), whole(OUTPUT), whole(THOUGHT)
    async with asked_who(dsn) as client:
        path = await told_by_ann(client, *did, user("Hi"))
        path += "/events"
        told = (await client.get(path, params={"include": "items"}, headers=as_user("ann"))).json()["events"]
        assert [event["words"] for event in told[1:]] == [
            "The system gave instructions: “Be brief”",
            'The assistant called a tool: “look({"up":"x"})”',
            "The tool returned an output: “nothing”",
            "The assistant reasoned: “Hm”",
            "ann said “Hi”",
        ]
        plain = (await client.get(path, headers=as_user("ann"))).json()["events"]
        assert [event["event"] is None for event in plain] == [False, True, True, True, True, False]


async def told_by_ann(client: Any, *messages: dict[str, Any]) -> str:
    body = {"messages": messages}
    made = await client.post("/api/conversations", json=body, headers=as_user("ann"))
    return f"/api/conversations/{made.json()['id']}"


@pytest.mark.parametrize("path", ["messages", "events", ""])
async def test_nothing_else_can_be_included(dsn: str, path: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        where = f"/api/conversations/{made['id']}/{path}".rstrip("/")
        answer = await client.get(where, params={"include": "everything"}, headers=ANN)
        assert problem(answer) == (400, "bad-request")
        assert answer.json()["field"] == "include"


async def test_the_items_of_another_are_nowhere(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, whole(CALL))
        path = f"/api/conversations/{made['id']}/messages"
        answer = await client.get(path, params={"include": "items"}, headers=by("bob"))
        assert problem(answer) == (404, "conversation-not-found")


async def test_plain_words_of_the_system_are_instructions(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, {"role": "system", "content": "Be brief"}, user("Hi"))
        path = f"/api/conversations/{made['id']}/messages"
        assert [each["content"] for each in (await got(client, path))["messages"]] == ["Hi"]
        first = (await got(client, path, include="items"))["messages"][0]
        assert (first["role"], first["kind"]) == ("system", "instructions")
        assert first["item"]["content"] == [{"type": "input_text", "text": "Be brief"}]
