"""What the other surfaces see of a thread that the Store keeps, and it of theirs."""

from uuid import UUID

import pytest
from chatkit.types import ActiveStatus, AssistantMessageItem, ClosedStatus, LockedStatus, UserMessageItem

from domain.errors import MessageAlreadyAdded, SessionHasEnded
from domain.events import MessageAdded, MessageRemoved
from projections import conversations
from service import commands
from service.chatkit.store import HansardStore
from service.chatkit.threads import CHATKITS
from service.store.repository import Caller
from tests.contracts.items import EVERY_KIND, LATER, hidden, replied, user_said
from tests.contracts.store import here
from tests.service.api.recording import assistant, at_once, by, got, started, user
from tests.service.chatkit.test_store import all_of, ann, events_of, storing, thread_with


async def test_what_only_the_server_should_see_reaches_no_client_of_another_surface(dsn: str) -> None:
    """Not in what is read, not in what is found, not in what a conversation is called. The log has it."""
    known = [item for item in EVERY_KIND if item.id in ("h3", "e1")]
    secret = [hidden("h1", "hushhush"), *known, LATER[0]]
    async with at_once(dsn) as (client, hansard):
        store = HansardStore(hansard)
        thread = await thread_with(store, *secret, user_said("u", "Spoken"), replied("r", "Answered"))
        await store.save_item(thread.id, hidden("h1", "hushhush again"), context=ann())
        messages = f"/api/conversations/{thread.id}/messages"
        for path in (messages, f"/api/chat/{thread.id}/history", "/api/chat/history"):
            found = await got(client, path)
            assert [each["content"] for each in found["messages"]] == ["Spoken", "Answered"]
        for word in ("hushhush", "secret"):
            assert (await got(client, "/api/search", q=word))["results"] == []
        (listed,) = (await got(client, "/api/conversations"))["conversations"]
        assert listed["title"] == "Spoken"
        newest = await got(client, messages, limit=1)
        older = await got(client, messages, before=newest["older"], limit=1)
        assert [each["content"] for each in (*older["messages"], *newest["messages"])] == [
            "Spoken",
            "Answered",
        ]
        assert older["older"] is None
        stored = [each for each in await events_of(store, thread) if isinstance(each, MessageAdded)]
        assert [each.message_id for each in stored][: len(secret)] == [item.id for item in secret]


async def test_what_is_shown_has_its_text_on_every_surface(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        thread = await thread_with(HansardStore(hansard), *EVERY_KIND)
        found = (await got(client, f"/api/conversations/{thread.id}/messages"))["messages"]
        kinds = {each["id"]: each["kind"] for each in found}
        assert "h1" not in kinds
        assert (kinds["u1"], kinds["r1"], kinds["w1"]) == ("message", "message", "widget")
        texts = {each["id"]: each["content"] for each in found}
        assert texts["u2"] == "Ask @ann about \0 and 🌍"
        assert texts["r2"] == "See there\nand there"
        assert texts["w1"] == "Copied"
        assert texts["s1"] == "Why?\nWhich?\nthis, that"
        assert texts["f2"] == "Thought\nHm"
        assert texts["c1"] == texts["i2"] == texts["w2"] == ""
        assert [each["message_id"] for each in (await got(client, "/api/search", q="copied"))["results"]] == [
            "w1"
        ]


async def test_what_another_surface_says_are_proper_items(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        store = HansardStore(hansard)
        conversation = await started(
            client,
            user("How tall?", id="q"),
            assistant("Tall.", id="a", status="interrupted"),
            title="Towers",
        )
        found = await store.load_thread(conversation["id"], context=ann())
        assert found.title == "Towers"
        assert found.created_at.tzinfo is None
        assert found.created_at.isoformat() + "Z" == conversation["created_at"]
        question, answer = await all_of(store, found)
        assert isinstance(question, UserMessageItem)
        assert isinstance(answer, AssistantMessageItem)
        assert (question.content[0].text, answer.content[0].text) == ("How tall?", "Tall.")
        assert question.created_at.tzinfo is None
        assert (question.thread_id, question.id) == (conversation["id"], "q")
        await store.add_thread_item(found.id, user_said("u", "And how old?"), context=ann())
        messages = (await got(client, f"/api/conversations/{found.id}/messages"))["messages"]
        assert [each["content"] for each in messages] == ["How tall?", "Tall.", "And how old?"]


async def test_a_reply_that_the_service_has_stored_is_not_another_when_chatkit_reports_it_done(
    dsn: str,
) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(store, user_said("u"))
        reply = MessageAdded(message_id="r", role="assistant", content="Hi", in_reply_to="u", tokens=3)
        await commands.add_messages(store.hansard.repository, Caller("ann"), UUID(thread.id), [reply])
        before = await events_of(store, thread)
        await store.add_thread_item(thread.id, replied("r", "Hi"), context=ann())
        await store.save_item(thread.id, replied("r", "Hi"), context=ann())
        assert await events_of(store, thread) == before
        with pytest.raises(MessageAlreadyAdded):
            await store.add_thread_item(thread.id, replied("r", "Ho"), context=ann())
        await store.save_item(thread.id, replied("r", "Ho"), context=ann())
        assert (await store.load_item(thread.id, "r", context=ann())) == here(replied("r", "Ho"), thread)


async def test_a_thread_that_is_ended_elsewhere_stays_closed_when_a_stream_saves_it(dsn: str) -> None:
    async with storing(dsn) as store:
        thread, streaming = await thread_with(store, user_said("u")), ann()
        streamed = await store.load_thread(thread.id, context=streaming)
        await commands.end(store.hansard.repository, Caller("ann"), UUID(thread.id), "bored")
        streamed.title = "Titled"
        await store.save_thread(streamed, context=streaming)
        found = await store.load_thread(thread.id, context=ann())
        assert (found.title, found.status) == ("Titled", ClosedStatus(reason="bored"))
        with pytest.raises(SessionHasEnded):
            await store.add_thread_item(thread.id, user_said("v"), context=ann())
        await store.add_thread_item(thread.id, replied("r"), context=ann())


async def test_metadata_that_another_surface_replaces_does_not_break_a_thread(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        store = HansardStore(hansard)
        thread = await thread_with(store, metadata={"a": 1}, status=LockedStatus())
        for metadata in ({"b": 2}, {"b": 2, CHATKITS: 7}, {"b": 2, CHATKITS: {"created_at": [], "title": 3}}):
            answer = await client.patch(
                f"/api/conversations/{thread.id}", json={"metadata": metadata}, headers=by("ann")
            )
            assert answer.status_code == 200, answer.text
            context = ann()
            found = await store.load_thread(thread.id, context=context)
            assert (found.title, found.metadata, found.status) == (None, {"b": 2}, ActiveStatus())
            assert found.created_at.tzinfo is None
            found.status = LockedStatus(reason="again")
            await store.save_thread(found, context=context)
            assert await store.load_thread(thread.id, context=ann()) == found


async def test_every_entry_counts_as_a_message_of_its_conversation(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(store, user_said("u"), hidden("h"), replied("r"))
        await store.delete_thread_item(thread.id, "r", context=ann())
        view, shard = store.hansard.views["conversations"], store.hansard.store.shard_of("ann")
        row = await conversations.conversation(view, shard, UUID(thread.id))
        assert row
        assert row.message_count == 2
        assert isinstance((await events_of(store, thread))[-1], MessageRemoved)
