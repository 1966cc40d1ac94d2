"""The Store on the log: ChatKit's contract, and what is stored of what it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from chatkit.store import NotFoundError, Store
from chatkit.types import ActiveStatus, ClosedStatus, LockedStatus, ThreadMetadata

from domain.conversation import Conversation
from domain.errors import MessageAlreadyAdded
from domain.events import (
    ConversationStarted,
    Event,
    Link,
    MessageAdded,
    MessageRevised,
    MetadataChanged,
    SessionEnded,
    SessionReopened,
)
from service.chatkit.context import ChatContext
from service.chatkit.errors import MetadataKeyTaken
from service.chatkit.store import MOST, HansardStore
from service.chatkit.threads import CHATKITS
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.log import conversation_after
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.contracts.items import EVERY_KIND, LATER, WHEN, attachment, replied, user_said, worked, working
from tests.contracts.store import StoreContract, here, ids, whole
from tests.machine.wishes import in_shard_of

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
    "chatkits": lambda: f"thr_{uuid4().hex[:16]}",  # its own are half as long, and meet now and then
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
