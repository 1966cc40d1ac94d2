"""What an agent did through another surface, in a thread of ChatKit's."""

from typing import Any

from service.chatkit.store import HansardStore
from tests.service.api.recording import at_once, by, started
from tests.service.chatkit.speaking import PATH, request
from tests.service.chatkit.test_store import all_of, ann

ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How tall is it?"}]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I should look it up."}]},
    {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "330"},
    {"type": "hologram", "depth": 3},
    {"role": "assistant", "content": "330 metres."},
]


async def test_the_server_sees_it_as_hidden_context_and_no_client_does(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        store = HansardStore(hansard)
        await started(client, *({"item": item} for item in ITEMS), name="thr_1")
        found = await all_of(store, await store.load_thread("thr_1", context=ann()))
        assert [each.type for each in found] == [
            "hidden_context_item",
            "user_message",
            *["hidden_context_item"] * 4,
            "assistant_message",
        ]
        assert [each.content for each in found if each.type == "hidden_context_item"] == [
            "Be brief.",
            "I should look it up.",
            "look({})",
            "330",
            "",
        ]
        body = request("items.list", thread_id="thr_1", order="asc")
        shown = (await client.post(PATH, json=body, headers=by("ann"))).json()["data"]
        assert [each["content"][0]["text"] for each in shown] == ["How tall is it?", "330 metres."]


async def test_it_stays_as_it_is_when_a_server_saves_what_it_has_seen(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        store = HansardStore(hansard)
        await started(client, *({"item": item} for item in ITEMS), name="thr_1")
        path, whole = "/api/conversations/thr_1", "/api/conversations/thr_1/messages?include=items"
        before = [(await client.get(each, headers=by("ann"))).content for each in (path, whole)]
        for item in await all_of(store, await store.load_thread("thr_1", context=ann())):
            await store.add_thread_item("thr_1", item, context=ann())
            await store.save_item("thr_1", item, context=ann())
        assert [(await client.get(each, headers=by("ann"))).content for each in (path, whole)] == before
