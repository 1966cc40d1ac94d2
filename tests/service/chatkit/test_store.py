"""The Store on the log: ChatKit's contract, and what every other surface sees of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    ActiveStatus,
    AssistantMessageItem,
    ClosedStatus,
    LockedStatus,
    ThreadMetadata,
    UserMessageItem,
)

from domain.conversation import Conversation
from domain.errors import MessageAlreadyAdded, SessionHasEnded
from domain.events import (
    ConversationStarted,
    Event,
    Link,
    MessageAdded,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    SessionEnded,
    SessionReopened,
)
from projections import conversations
from service import commands
from service.chatkit.context import ChatContext
from service.chatkit.errors import MetadataKeyTaken
from service.chatkit.store import MOST, HansardStore
from service.chatkit.threads import CHATKITS
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.log import conversation_after
from service.store.repository import Caller
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.contracts.items import (
    EVERY_KIND,
    LATER,
    WHEN,
    attachment,
    hidden,
    replied,
    user_said,
    worked,
    working,
)
from tests.contracts.store import StoreContract, here, ids, whole
from tests.machine.wishes import in_shard_of
from tests.service.api.recording import assistant, at_once, by, got, started, user

NEIGHBOUR = in_shard_of("ann", same=True)
STRANGER = in_shard_of("ann", same=False)


@asynccontextmanager
async def storing(dsn: str) -> AsyncIterator[HansardStore]:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        yield HansardStore(hansard)


def ann() -> ChatContext:
    """Of a new request."""
    return ChatContext.of("ann")


async def thread_with(store: HansardStore, *items: Any, **more: Any) -> ThreadMetadata:
    thread = ThreadMetadata(id=store.generate_thread_id(ann()), created_at=WHEN, **more)
    await store.save_thread(thread, context=ann())
    for item in items:
        await store.add_thread_item(thread.id, item, context=ann())
    return thread


async def all_of(store: HansardStore, thread: ThreadMetadata) -> list[Any]:
    return list((await store.load_thread_items(thread.id, None, 100, "asc", context=ann())).data)


async def events_of(store: HansardStore, thread: ThreadMetadata) -> list[Event]:
    async with store.hansard.pool.connection() as connection:
        shard = store.hansard.store.shard_of("ann")
        found = await conversation_after(connection, shard, UUID(thread.id), 0, 1_000)
    return [each.event for each in found]


async def conversation_of(store: HansardStore, thread: ThreadMetadata) -> Conversation:
    found = await store.hansard.repository.load(store.hansard.store.shard_of("ann"), UUID(thread.id))
    assert found
    return found


class OwnIds(HansardStore):
    """Of an application that makes its threads' ids in its own way."""

    def __init__(self, hansard: Hansard, make: Callable[[], str]) -> None:
        super().__init__(hansard)
        self.make = make

    def generate_thread_id(self, context: ChatContext) -> str:
        return self.make()


SHAPES: dict[str, Callable[[], str] | None] = {
    "ours": None,
    "chatkits": lambda: f"thr_{uuid4().hex[:8]}",
    "upper-case": lambda: str(uuid4()).upper(),
    "odd": lambda: f"Gespräch/{uuid4()}?#%2F'; 東京 🗼".ljust(255, "~"),
}


class TestHansardStore(StoreContract):
    @pytest.fixture(params=SHAPES.values(), ids=list(SHAPES))
    async def store(self, dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[HansardStore]:
        async with storing(dsn) as store:
            yield store if request.param is None else OwnIds(store.hansard, request.param)

    def request_of(self, user: str) -> ChatContext:
        return ChatContext.of(user)

    async def test_a_list_of_threads_goes_on_after_a_thread_that_was_deleted(
        self, store: Store[Any], ann: Any
    ) -> None:
        """But for a name: it is gone with its thread, and nothing tells what it was of."""
        goes_on = super().test_a_list_of_threads_goes_on_after_a_thread_that_was_deleted(store, ann)
        if not isinstance(store, OwnIds):
            await goes_on
        else:
            with pytest.raises(NotFoundError):
                await goes_on

    def neighbours(self) -> tuple[str, ...]:
        """One whose conversations are in another shard than ann's, and one who shares hers."""
        assert shard_of(NEIGHBOUR, SHARDS) == shard_of("ann", SHARDS)
        return (STRANGER, NEIGHBOUR)


async def test_after_a_restart_everything_is_there_in_order(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(
            store, *EVERY_KIND, *LATER, title="T", metadata={"a": 1}, status=LockedStatus(reason="busy")
        )
        await store.save_attachment(attachment(), context=ann())
    async with storing(dsn) as store:
        assert await store.load_thread(thread.id, context=ann()) == thread
        wanted = [whole(here(item, thread)) for item in (*EVERY_KIND, *LATER)]
        assert [whole(item) for item in await all_of(store, thread)] == wanted
        assert await store.load_attachment("a1", context=ann()) == attachment()


# What is in the log


async def test_an_open_workflow_that_the_next_turn_closes_is_revised(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(store, working("w", "Look"))
        for _ in range(2):
            await store.add_thread_item(thread.id, worked(working("w", "Look")), context=ann())
        started, opened, closed = await events_of(store, thread)
        assert isinstance(started, ConversationStarted)
        assert isinstance(opened, MessageAdded)
        assert isinstance(closed, MessageRevised)


async def test_what_is_saved_again_and_again_is_stored_once(dsn: str) -> None:
    async with storing(dsn) as store:
        thread, context = await thread_with(store, user_said("u")), ann()
        before = await events_of(store, thread)
        thread = await store.load_thread(thread.id, context=context)
        for saved_by in (context, context, ann()):
            await store.save_thread(thread, context=saved_by)
            await store.add_thread_item(thread.id, user_said("u"), context=saved_by)
            await store.save_item(thread.id, user_said("u"), context=saved_by)
        assert await events_of(store, thread) == before
        assert (await conversation_of(store, thread)).title is None


async def test_an_item_that_is_said_to_be_cut_off_is_an_interrupted_message(dsn: str) -> None:
    async with storing(dsn) as store:
        thread, context = await thread_with(store, user_said("u")), ann()
        context.cut_off.add("r")
        await store.add_thread_item(thread.id, replied("r"), context=context)
        added = (await events_of(store, thread))[-1]
        assert isinstance(added, MessageAdded)
        assert added.status == "interrupted"
        assert await store.load_item(thread.id, "r", context=ann()) == here(replied("r"), thread)


async def test_closed_is_ended_and_active_again_is_reopened(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(store)
        for status in (ClosedStatus(reason="a"), ClosedStatus(reason="b"), ActiveStatus(), LockedStatus()):
            thread.status = status
            await store.save_thread(thread, context=ann())
        _, *rest = await events_of(store, thread)
        assert rest[:4] == [SessionEnded("a"), SessionReopened(), SessionEnded("b"), SessionReopened()]
        (locked,) = rest[4:]
        assert isinstance(locked, MetadataChanged)


async def test_the_opportunity_that_is_active_is_linked_to_the_thread_that_is_made(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = ThreadMetadata(id=store.generate_thread_id(ann()), created_at=WHEN)
        await store.save_thread(thread, context=ChatContext.of("ann", "opp_42"))
        await store.save_thread(thread, context=ChatContext.of("ann", "opp_43"))
        named = await thread_with(store, metadata={"opportunity_id": "opp_44"})
        odd = await thread_with(store, metadata={"opportunity_id": 45})
        wanted = {
            thread.id: (Link("opportunity", "opp_42"),),
            named.id: (Link("opportunity", "opp_44"),),
            odd.id: (),
        }
        for each in (thread, named, odd):
            assert (await conversation_of(store, each)).links == wanted[each.id]


async def test_the_stores_own_key_is_not_the_threads(dsn: str) -> None:
    async with storing(dsn) as store:
        with pytest.raises(MetadataKeyTaken, match=CHATKITS):
            await thread_with(store, metadata={CHATKITS: {}})


async def test_another_item_under_an_id_that_is_taken_is_refused_by_name(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(store, replied("__fake_id__", "One"))
        with pytest.raises(MessageAlreadyAdded):
            await store.add_thread_item(thread.id, replied("__fake_id__", "Two"), context=ann())


async def test_nobody_gets_a_page_without_an_end(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 1_000
    monkeypatch.setattr("service.chatkit.store.MOST", 3)
    async with storing(dsn) as store:
        thread = await thread_with(store, *(user_said(f"u{at}") for at in range(4)))
        page = await store.load_thread_items(thread.id, None, 10**12, "asc", context=ann())
        assert (ids(page.data), page.has_more, page.after) == (["u0", "u1", "u2"], True, "u2")
        for limit in (0, -1):
            page = await store.load_thread_items(thread.id, None, limit, "asc", context=ann())
            assert ids(page.data) == ["u0"]


# What the other surfaces see of it, and it of theirs


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
