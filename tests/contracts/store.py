"""What ChatKit expects of a Store, as tests that any Store can run.

class TestMyStore(StoreContract):
    @pytest.fixture
    def store(self) -> MyStore: ...

    def request_of(self, user: str) -> MyContext: ...
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
from anyio import CancelScope
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    ActiveStatus,
    AssistantMessageItem,
    ClosedStatus,
    HiddenContextItem,
    LockedStatus,
    Page,
    Thread,
    ThreadItem,
    ThreadMetadata,
    ThreadStatus,
    UserMessageItem,
)
from pydantic import BaseModel

from tests.contracts.items import (
    ANYTHING,
    AWARE,
    EVERY_KIND,
    LATER,
    PICTURE,
    WHEN,
    attachment,
    hidden,
    later,
    replied,
    user_said,
    worked,
    working,
)

MANY: Final = 200
SIZES: Final = (1, 2, 3, 7, 50, 100, 199, 200, 201, 500)
STATUSES: Final[tuple[ThreadStatus, ...]] = (
    ActiveStatus(),
    LockedStatus(),
    LockedStatus(reason="in review"),
    ClosedStatus(),
    ClosedStatus(reason="solved"),
    ClosedStatus(reason="solved twice"),
    LockedStatus(reason="once more"),
)


def whole(model: BaseModel) -> dict[str, Any]:
    """With its type, which ChatKit's equality of models asks about, and everything that it would be sent
    as."""
    return model.model_dump(mode="json", by_alias=True)


def here(item: Any, thread: ThreadMetadata) -> Any:
    return item.model_copy(update={"thread_id": thread.id})


class StoreContract:
    @pytest.fixture
    def store(self) -> Store[Any]:
        """An empty one."""
        raise NotImplementedError

    def request_of(self, user: str) -> Any:
        """The context of a new request of this user's."""
        raise NotImplementedError

    @pytest.fixture
    def ann(self) -> Any:
        return self.request_of("ann")

    def neighbours(self) -> tuple[str, ...]:
        """Other users, whose ids might be the same."""
        return ("bob", "carl", "dora")

    async def thread(self, store: Store[Any], context: Any, **more: Any) -> ThreadMetadata:
        given: dict[str, Any] = {"id": store.generate_thread_id(context), "created_at": WHEN, **more}
        thread = ThreadMetadata(**given)
        await store.save_thread(thread, context=context)
        return thread

    async def filled(self, store: Store[Any], context: Any, *items: Any) -> ThreadMetadata:
        thread = await self.thread(store, context)
        for item in items:
            await store.add_thread_item(thread.id, item, context=context)
        return thread

    async def all_of(
        self, store: Store[Any], thread: ThreadMetadata, context: Any, order: str = "asc"
    ) -> list[Any]:
        return [item async for page in pages(store, thread, context, 100, order) for item in page.data]

    def test_the_methods_are_those_that_chatkit_calls(self, store: Store[Any]) -> None:
        for name in Store.__abstractmethods__:
            asked = inspect.signature(getattr(Store, name)).parameters
            assert list(inspect.signature(getattr(type(store), name)).parameters) == list(asked), name

    # Threads

    async def test_a_thread_comes_back_as_it_was_saved(self, store: Store[Any], ann: Any) -> None:
        thread = await self.thread(
            store, ann, title="T\n" * 9, metadata={"any": ANYTHING}, allowed_image_domains=["example.org"]
        )
        assert await store.load_thread(thread.id, context=self.request_of("ann")) == thread

    async def test_an_empty_thread_comes_back_empty(self, store: Store[Any], ann: Any) -> None:
        thread = await self.thread(store, ann)
        assert await store.load_thread(thread.id, context=self.request_of("ann")) == thread

    async def test_times_come_back_as_they_came(self, store: Store[Any], ann: Any) -> None:
        """An aware one where a naive one is expected breaks the stream of an answer."""
        thread = await self.filled(store, ann, user_said("u"), replied("r", created_at=AWARE))
        assert (await store.load_thread(thread.id, context=ann)).created_at == WHEN
        assert (await store.load_item(thread.id, "u", context=ann)).created_at == WHEN
        assert (await store.load_item(thread.id, "r", context=ann)).created_at == AWARE

    async def test_a_thread_is_active_or_locked_or_closed_for_a_reason(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.thread(store, ann)
        for status in (*STATUSES, *STATUSES[::-1]):
            thread.status = status
            await store.save_thread(thread, context=ann)
            found = await store.load_thread(thread.id, context=self.request_of("ann"))
            assert found.status == status
        for status in STATUSES:
            thread = await self.thread(store, ann, status=status)
            assert await store.load_thread(thread.id, context=self.request_of("ann")) == thread

    async def test_a_closed_thread_still_takes_what_answers_in_it(self, store: Store[Any], ann: Any) -> None:
        thread = await self.filled(store, ann, user_said("u"))
        thread.status = ClosedStatus()
        await store.save_thread(thread, context=ann)
        await store.add_thread_item(thread.id, replied("r"), context=ann)
        assert ids(await self.all_of(store, thread, ann)) == ["u", "r"]

    async def test_a_thread_that_comes_with_its_items_is_saved_without_them(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.filled(store, ann, user_said("u"))
        whole = Thread(**thread.model_dump(), items=Page(data=[user_said("other")]))
        whole.title = "Titled"
        await store.save_thread(whole, context=ann)
        found = await store.load_thread(thread.id, context=self.request_of("ann"))
        assert found == thread.model_copy(update={"title": "Titled"})
        assert type(found) is ThreadMetadata
        assert ids(await self.all_of(store, thread, ann)) == ["u"]

    async def test_what_is_not_there_is_not_found(self, store: Store[Any], ann: Any) -> None:
        thread = await self.filled(store, ann, user_said("u"))
        for unknown in (store.generate_thread_id(ann), "thr_unknown", "", thread.id.swapcase(), "\0", "'"):
            with pytest.raises(NotFoundError):
                await store.load_thread(unknown, context=ann)
            with pytest.raises(NotFoundError):
                await store.load_item(unknown, "u", context=ann)
            with pytest.raises(NotFoundError):
                await store.add_thread_item(unknown, user_said("u"), context=ann)
            with pytest.raises(NotFoundError):
                await store.load_threads(20, unknown or "x", "desc", context=ann)
        for unknown in ("v", "", "\0", "\ud800", "u" * 10_000):
            await store.delete_thread_item(thread.id, unknown, context=ann)
            await store.delete_attachment(unknown, context=ann)
            with pytest.raises(NotFoundError):
                await store.load_item(thread.id, unknown, context=ann)
            with pytest.raises(NotFoundError):
                await store.load_attachment(unknown, context=ann)
        with pytest.raises(NotFoundError):
            await store.load_thread_items(thread.id, "v", 20, "asc", context=ann)

    async def test_the_items_of_an_unknown_thread_are_an_empty_page(
        self, store: Store[Any], ann: Any
    ) -> None:
        for unknown in (store.generate_thread_id(ann), "thr_unknown"):
            for order in ("asc", "desc"):
                for after in (None, "u"):
                    page = await store.load_thread_items(unknown, after, 20, order, context=ann)
                    assert (page.data, page.has_more, page.after) == ([], False, None)

    async def test_deleting_what_is_not_there_changes_nothing(self, store: Store[Any], ann: Any) -> None:
        thread = await self.filled(store, ann, user_said("u"))
        for unknown in (store.generate_thread_id(ann), "thr_unknown"):
            await store.delete_thread(unknown, context=ann)
            await store.delete_thread_item(unknown, "u", context=ann)
        await store.delete_thread_item(thread.id, "v", context=ann)
        await store.delete_attachment("a", context=ann)
        assert ids(await self.all_of(store, thread, ann)) == ["u"]

    async def test_a_deleted_thread_is_gone_with_its_items_and_attachments(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.filled(store, ann, user_said("u"))
        kept = await self.thread(store, ann)
        await store.save_attachment(attachment("a", thread_id=thread.id), context=ann)
        await store.save_attachment(attachment("b", thread_id=kept.id), context=ann)
        await store.save_attachment(attachment("c"), context=ann)
        for _ in range(2):
            await store.delete_thread(thread.id, context=ann)
            with pytest.raises(NotFoundError):
                await store.load_thread(thread.id, context=ann)
            with pytest.raises(NotFoundError):
                await store.load_item(thread.id, "u", context=ann)
            with pytest.raises(NotFoundError):
                await store.add_thread_item(thread.id, user_said("v"), context=ann)
            with pytest.raises(NotFoundError):
                await store.load_attachment("a", context=ann)
            await store.delete_thread_item(thread.id, "u", context=ann)
            assert await self.all_of(store, thread, ann) == []
        assert ids((await store.load_threads(20, None, "desc", context=ann)).data) == [kept.id]
        for attachment_id in ("b", "c"):
            assert (await store.load_attachment(attachment_id, context=ann)).id == attachment_id

    async def test_the_thread_with_the_most_recent_activity_comes_first(
        self, store: Store[Any], ann: Any
    ) -> None:
        threads = [await self.filled(store, ann, user_said("u")) for _ in range(5)]
        await store.add_thread_item(threads[1].id, replied("r"), context=ann)
        wanted = [threads[at].id for at in (1, 4, 3, 2, 0)]
        for order, expected in (("desc", wanted), ("asc", wanted[::-1])):
            for size in (1, 2, 4, 5, 6):
                found, after = [], None
                while True:
                    page = await store.load_threads(size, after, order, context=ann)
                    found += ids(page.data)
                    if not page.has_more:
                        break
                    after = page.after
                assert found == expected
                assert not page.after

    async def test_a_list_of_threads_goes_on_after_a_thread_that_was_deleted(
        self, store: Store[Any], ann: Any
    ) -> None:
        threads = [await self.thread(store, ann) for _ in range(4)]
        page = await store.load_threads(2, None, "desc", context=ann)
        await store.delete_thread(str(page.after), context=ann)
        rest = await store.load_threads(2, page.after, "desc", context=ann)
        assert ids(rest.data) == [threads[1].id, threads[0].id]
        back = await store.load_threads(2, page.after, "asc", context=ann)
        assert ids(back.data) == [threads[3].id]

    # What a request changed

    @pytest.mark.parametrize("title", [None, "Before"])
    async def test_a_rename_during_a_stream_survives_the_streams_last_save(
        self, store: Store[Any], ann: Any, title: str | None
    ) -> None:
        """What is saved is a snapshot, not an intent."""
        thread = await self.thread(store, ann, title=title, metadata={"step": 1, "kept": True})
        streaming, renaming = self.request_of("ann"), self.request_of("ann")
        streamed = await store.load_thread(thread.id, context=streaming)
        renamed = await store.load_thread(thread.id, context=renaming)
        renamed.title = "By hand"
        renamed.metadata = {"step": 1, "colour": "red"}
        renamed.status = LockedStatus(reason="by hand")
        await store.save_thread(renamed, context=renaming)
        await store.load_thread(thread.id, context=streaming)
        streamed.metadata["step"] = 2
        for _ in range(2):
            await store.save_thread(streamed, context=streaming)
        found = await store.load_thread(thread.id, context=self.request_of("ann"))
        assert (found.title, found.status) == ("By hand", renamed.status)
        assert found.metadata == {"step": 2, "colour": "red"}

    async def test_a_thread_that_was_made_in_this_request_is_not_renamed_back(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.thread(store, ann)
        renaming = self.request_of("ann")
        renamed = await store.load_thread(thread.id, context=renaming)
        renamed.title = "By hand"
        await store.save_thread(renamed, context=renaming)
        await store.save_thread(thread, context=ann)
        assert (await store.load_thread(thread.id, context=self.request_of("ann"))).title == "By hand"
        thread.title = "By the server"
        await store.save_thread(thread, context=ann)
        assert (await store.load_thread(thread.id, context=self.request_of("ann"))).title == "By the server"

    async def test_a_thread_that_this_request_never_saw_is_saved_as_it_is(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.thread(store, ann, title="Old", metadata={"old": 1})
        for title, metadata in (("New", {"new": True}), ("Newer", {"new": 1})):
            new = thread.model_copy(update={"title": title, "metadata": metadata})
            await store.save_thread(new, context=self.request_of("ann"))
            assert await store.load_thread(thread.id, context=self.request_of("ann")) == new

    # Items

    @pytest.mark.parametrize("item", EVERY_KIND, ids=lambda item: f"{item.type}-{item.id}")
    async def test_every_kind_of_item_comes_back_exactly(
        self, store: Store[Any], ann: Any, item: ThreadItem
    ) -> None:
        thread = await self.thread(store, ann)
        wanted = here(item, thread)
        await store.add_thread_item(thread.id, wanted, context=ann)
        assert await store.load_item(thread.id, item.id, context=ann) == wanted
        (listed,) = (await store.load_thread_items(thread.id, None, 20, "asc", context=ann)).data
        assert listed == wanted
        assert whole(listed) == whole(wanted)
        again = wanted.model_copy(update={"id": "saved"})
        await store.save_item(thread.id, again, context=ann)
        assert await store.load_item(thread.id, "saved", context=ann) == again

    @pytest.mark.parametrize("item", LATER, ids=lambda item: str(item.type))
    async def test_items_of_a_later_release_come_back_exactly(
        self, store: Store[Any], ann: Any, item: Any
    ) -> None:
        thread = await self.thread(store, ann)
        await store.add_thread_item(thread.id, item, context=ann)
        found = await store.load_item(thread.id, item.id, context=ann)
        assert whole(found) == whole(here(item, thread))
        await store.save_item(thread.id, found, context=ann)
        assert whole(await store.load_item(thread.id, item.id, context=ann)) == whole(here(item, thread))
        assert [whole(each) for each in await self.all_of(store, thread, ann)] == [whole(here(item, thread))]

    async def test_a_type_that_there_is_stays_that_type_whatever_else_it_holds(
        self, store: Store[Any], ann: Any
    ) -> None:
        (reply,) = [item for item in LATER if isinstance(item, AssistantMessageItem)]
        thread = await self.filled(store, ann, reply)
        assert isinstance(await store.load_item(thread.id, reply.id, context=ann), AssistantMessageItem)

    async def test_the_thread_that_is_named_counts_and_not_the_one_in_the_item(
        self, store: Store[Any], ann: Any
    ) -> None:
        other = await self.thread(store, ann)
        thread = await self.filled(store, ann, user_said("u", thread_id=other.id))
        assert (await store.load_item(thread.id, "u", context=ann)).thread_id == thread.id
        assert await self.all_of(store, other, ann) == []

    async def test_an_open_workflow_that_the_next_turn_closes_is_one_item(
        self, store: Store[Any], ann: Any
    ) -> None:
        """It is added when its turn ends, and added again when the next turn is done with it."""
        open_one = working("w", "Look")
        thread = await self.filled(store, ann, user_said("u"), open_one, user_said("v"))
        done = worked(here(open_one, thread))
        for _ in range(2):
            await store.add_thread_item(thread.id, done, context=ann)
        found = await self.all_of(store, thread, ann)
        assert ids(found) == ["u", "w", "v"]
        assert found[1] == done

    async def test_an_item_that_is_added_twice_is_there_once(self, store: Store[Any], ann: Any) -> None:
        thread = await self.filled(store, ann, user_said("u"), replied("r"), replied("r"), user_said("u"))
        assert ids(await self.all_of(store, thread, ann)) == ["u", "r"]

    async def test_another_item_under_an_id_that_is_taken_is_refused(
        self, store: Store[Any], ann: Any
    ) -> None:
        """Models by Chat Completions give every message one and the same id."""
        thread = await self.filled(store, ann, replied("__fake_id__", "One"))
        for other in (replied("__fake_id__", "Two"), working("__fake_id__"), hidden("__fake_id__")):
            with pytest.raises(Exception, match="__fake_id__"):
                await store.add_thread_item(thread.id, other, context=ann)
        (only,) = await self.all_of(store, thread, ann)
        assert only == here(replied("__fake_id__", "One"), thread)

    async def test_an_id_can_be_taken_in_each_thread(self, store: Store[Any], ann: Any) -> None:
        for text in ("One", "Two"):
            thread = await self.filled(store, ann, replied("r", text))
            assert await store.load_item(thread.id, "r", context=ann) == here(replied("r", text), thread)

    async def test_saving_an_item_changes_it_where_it_is(self, store: Store[Any], ann: Any) -> None:
        thread = await self.filled(store, ann, user_said("u"), working("w"), replied("r"))
        for saved in (worked(working("w")), replied("w", "Said"), hidden("w", ANYTHING), EVERY_KIND[7]):
            changed = saved.model_copy(update={"id": "w", "thread_id": thread.id})
            for _ in range(2):
                await store.save_item(thread.id, changed, context=ann)
            found = await self.all_of(store, thread, ann)
            assert ids(found) == ["u", "w", "r"]
            assert found[1] == changed
        await store.save_item(thread.id, user_said("new"), context=ann)
        assert ids(await self.all_of(store, thread, ann)) == ["u", "w", "r", "new"]

    async def test_a_removed_item_is_gone(self, store: Store[Any], ann: Any) -> None:
        thread = await self.filled(store, ann, user_said("u"), replied("r"))
        for _ in range(2):
            await store.delete_thread_item(thread.id, "r", context=ann)
            assert ids(await self.all_of(store, thread, ann)) == ["u"]
            with pytest.raises(NotFoundError):
                await store.load_item(thread.id, "r", context=ann)

    async def test_a_retry_that_was_cut_off_half_way_is_finished_by_the_next(
        self, store: Store[Any], ann: Any
    ) -> None:
        """Items are deleted one by one, newest first."""
        answers = [replied(f"r{at}") for at in range(50)]
        thread = await self.filled(store, ann, user_said("u"), *answers)
        newest = (await self.all_of(store, thread, ann, "desc"))[:30]
        for item in newest[:17]:
            await store.delete_thread_item(thread.id, item.id, context=ann)
        again = self.request_of("ann")
        async for page in pages(store, thread, again, 20, "desc"):
            for item in page.data:
                if not isinstance(item, UserMessageItem):
                    await store.delete_thread_item(thread.id, item.id, context=again)
        await store.add_thread_item(thread.id, replied("new"), context=again)
        assert ids(await self.all_of(store, thread, ann)) == ["u", "new"]

    # Pages

    async def test_200_items_of_one_time_are_in_order_in_pages_of_every_size(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.filled(store, ann, *self.many())
        for order, wanted in both_ways([f"i{at}" for at in range(MANY)]):
            for size in SIZES:
                found = [page async for page in pages(store, thread, ann, size, order)]
                assert [each for page in found for each in ids(page.data)] == wanted
                assert [len(page.data) for page in found[:-1]] == [size] * (len(found) - 1)
                assert not found[-1].after

    async def test_items_that_are_removed_between_pages_leave_the_others_in_order(
        self, store: Store[Any], ann: Any
    ) -> None:
        """Those on both sides of the place, and the one that marks it."""
        for order, everything in both_ways([f"i{at}" for at in range(MANY)]):
            for size in (1, 7, 50):
                thread = await self.filled(store, ann, *self.many())
                gone: set[str] = set()
                found: list[str] = []
                after: str | None = None
                while True:
                    page = await store.load_thread_items(thread.id, after, size, order, context=ann)
                    found += ids(page.data)
                    if not page.has_more:
                        break
                    after = page.after
                    at = everything.index(str(after))
                    for item_id in everything[at - 1 : at + 3]:
                        await store.delete_thread_item(thread.id, item_id, context=ann)
                        gone.add(item_id)
                left = [item_id for item_id in everything if item_id not in gone]
                assert [item_id for item_id in found if item_id not in gone] == left
                assert len(found) == len(set(found))

    def many(self) -> list[ThreadItem]:
        kinds: tuple[Callable[[str], Any], ...] = (user_said, replied, hidden, working)
        return [kinds[at % len(kinds)](f"i{at}") for at in range(MANY)]

    async def test_places_are_the_logs_and_not_the_clocks(self, store: Store[Any], ann: Any) -> None:
        items = [user_said(f"i{at}", created_at=later(-at)) for at in range(5)]
        thread = await self.filled(store, ann, *items)
        assert ids(await self.all_of(store, thread, ann)) == [item.id for item in items]

    async def test_a_page_of_hidden_items_leads_on_to_what_is_shown(
        self, store: Store[Any], ann: Any
    ) -> None:
        """Hidden ones are taken out of the page when it was made, so it may be empty, and is not the last."""
        thread = await self.filled(store, ann, user_said("u"), *(hidden(f"h{at}") for at in range(20)))
        shown = []
        async for page in pages(store, thread, ann, 5, "desc"):
            shown += [item for item in page.data if not isinstance(item, HiddenContextItem)]
        assert ids(shown) == ["u"]

    # Whose it is

    async def test_two_users_of_one_thread_id_have_nothing_in_common(
        self, store: Store[Any], ann: Any
    ) -> None:
        thread = await self.thread(store, ann, title="Hers")
        for item in (user_said("u"), replied("r")):
            await store.add_thread_item(thread.id, item, context=ann)
        await store.save_attachment(attachment("a", thread_id=thread.id), context=ann)
        for name in self.neighbours():
            other = self.request_of(name)
            with pytest.raises(NotFoundError):
                await store.load_thread(thread.id, context=other)
            with pytest.raises(NotFoundError):
                await store.load_item(thread.id, "u", context=other)
            with pytest.raises(NotFoundError):
                await store.load_attachment("a", context=other)
            with pytest.raises(NotFoundError):
                await store.save_item(thread.id, user_said("u", "Mine"), context=other)
            for after in (None, "u"):
                page = await store.load_thread_items(thread.id, after, 20, "asc", context=other)
                assert page.data == []
            mine = ThreadMetadata(id=thread.id, created_at=WHEN, title="Mine")
            try:
                await store.save_thread(mine, context=other)
            except NotFoundError:
                mine = await self.thread(store, other, title="Mine")
            await store.add_thread_item(mine.id, user_said("u", "Mine"), context=other)
            await store.add_thread_item(mine.id, user_said("mine"), context=other)
            await store.save_attachment(attachment("a", name="mine", thread_id=thread.id), context=other)
            assert ids((await store.load_threads(20, None, "desc", context=other)).data) == [mine.id]
            assert ids(await self.all_of(store, mine, other)) == ["u", "mine"]
            await store.delete_thread_item(thread.id, "r", context=other)
            await store.delete_thread(thread.id, context=other)
            await store.delete_attachment("a", context=other)
        fresh = self.request_of("ann")
        assert await store.load_thread(thread.id, context=fresh) == thread
        wanted = [here(user_said("u"), thread), here(replied("r"), thread)]
        assert await self.all_of(store, thread, fresh) == wanted
        assert ids((await store.load_threads(20, None, "desc", context=fresh)).data) == [thread.id]
        assert (await store.load_attachment("a", context=fresh)).name == "plan.pdf"

    # Attachments

    async def test_an_attachment_comes_back_as_it_was_saved_last(self, store: Store[Any], ann: Any) -> None:
        for saved in (attachment("a2"), PICTURE, attachment("a2", thread_id=store.generate_thread_id(ann))):
            for _ in range(2):
                await store.save_attachment(saved, context=ann)
            assert await store.load_attachment("a2", context=self.request_of("ann")) == saved
        await store.delete_attachment("a2", context=ann)
        with pytest.raises(NotFoundError):
            await store.load_attachment("a2", context=ann)

    # Ids and endings

    async def test_ids_do_not_meet(self, store: Store[Any], ann: Any) -> None:
        thread = await self.thread(store, ann)
        made = [store.generate_item_id("message", thread, ann) for _ in range(50_000)]
        made += [store.generate_thread_id(ann) for _ in range(50_000)]
        assert len(set(made)) == len(made)

    async def test_a_write_is_finished_though_its_request_was_cancelled(
        self, store: Store[Any], ann: Any
    ) -> None:
        """At every await it is cancelled again."""
        thread = await self.filled(store, ann, user_said("u"), replied("gone"))
        await store.load_thread(thread.id, context=ann)
        with CancelScope() as scope:
            scope.cancel()
            await store.add_thread_item(thread.id, replied("r"), context=ann)
        with CancelScope() as scope:
            scope.cancel()
            await store.save_item(thread.id, user_said("u", "Revised"), context=ann)
        with CancelScope() as scope:
            scope.cancel()
            await store.delete_thread_item(thread.id, "gone", context=ann)
        with CancelScope() as scope:
            scope.cancel()
            thread.title = "Saved"
            await store.save_thread(thread, context=ann)
        with CancelScope() as scope:
            scope.cancel()
            await store.save_attachment(attachment("a"), context=ann)
        found = await self.all_of(store, thread, ann)
        assert found == [here(user_said("u", "Revised"), thread), here(replied("r"), thread)]
        assert (await store.load_thread(thread.id, context=self.request_of("ann"))).title == "Saved"
        assert (await store.load_attachment("a", context=ann)).id == "a"
        with CancelScope() as scope:
            scope.cancel()
            await store.delete_thread(thread.id, context=ann)
        with pytest.raises(NotFoundError):
            await store.load_thread(thread.id, context=ann)

    async def test_items_that_are_added_side_by_side_are_all_there(self, store: Store[Any], ann: Any) -> None:
        thread = await self.thread(store, ann)
        said = [user_said(f"u{at}") for at in range(20)]
        await asyncio.gather(*(store.add_thread_item(thread.id, item, context=ann) for item in said))
        first, second = [ids(await self.all_of(store, thread, ann)) for _ in range(2)]
        assert first == second
        assert sorted(first) == sorted(item.id for item in said)


async def pages(
    store: Store[Any], thread: ThreadMetadata, context: Any, size: int, order: str
) -> AsyncIterator[Page[ThreadItem]]:
    after = None
    while True:
        page = await store.load_thread_items(thread.id, after, size, order, context)
        yield page
        if not page.has_more:
            return
        after = page.after


def ids(models: list[Any]) -> list[str]:
    return [model.id for model in models]


def both_ways(wanted: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return ("asc", wanted), ("desc", wanted[::-1])
