"""Threads under the ids that an application gives them: names of conversations."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chatkit.types import ClosedStatus, ThreadMetadata

from domain.errors import ContentRefused
from service.chatkit.context import ChatContext
from service.chatkit.store import HansardStore
from tests.contracts.items import EVERY_KIND, WHEN, attachment, user_said
from tests.contracts.store import here
from tests.model import Model
from tests.service.api.recording import at_once, by, got, started, user
from tests.service.api.test_names import dumped
from tests.service.chatkit.serving import NAMING, served
from tests.service.chatkit.speaking import PATH, request, widget_at
from tests.service.chatkit.test_store import all_of, ann, storing, thread_with


async def thread_named(
    store: HansardStore, name: str, *items: Any, context: ChatContext | None = None, **more: Any
) -> ThreadMetadata:
    thread = ThreadMetadata(id=name, created_at=WHEN, **more)
    await store.save_thread(thread, context=context or ann())
    for item in items:
        await store.add_thread_item(name, item, context=context or ann())
    return thread


@pytest.mark.parametrize("thread_id", ["", "a\0b", "\ud800", "x" * 256])
async def test_what_is_no_name_cannot_be_saved(dsn: str, thread_id: str) -> None:
    async with storing(dsn) as store:
        with pytest.raises(ContentRefused, match="name"):
            await store.save_thread(ThreadMetadata(id=thread_id, created_at=WHEN), context=ann())


async def test_a_thread_is_named_as_its_application_calls_it(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        store = HansardStore(hansard)
        ours = await thread_with(store)
        assert (await got(client, f"/api/conversations/{ours.id}"))["name"] is None
        thread = await thread_named(store, "thr_1", user_said("u", "How tall is it?"))
        found = await got(client, "/api/conversations/thr_1")
        assert (found["name"], found["title"]) == ("thr_1", "How tall is it?")
        by_id = await store.load_thread(found["id"], context=ann())
        assert by_id == thread
        (item,) = await all_of(store, thread)
        assert item.thread_id == "thr_1"
        await started(client, user("Where is it?", id="q"), name="V1StGXR8_Z5jdHi6B-myT")
        (listed, _, _) = (await store.load_threads(20, None, "desc", context=ann())).data
        assert listed.id == "V1StGXR8_Z5jdHi6B-myT"
        assert (await store.load_item(listed.id, "q", context=ann())).thread_id == listed.id


async def test_a_thread_that_is_closed_as_it_is_made_keeps_its_name(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_named(store, "thr_1", status=ClosedStatus(reason="solved"))
        assert await store.load_thread("thr_1", context=ann()) == thread


async def test_a_name_is_free_again_when_its_thread_is_deleted(dsn: str) -> None:
    async with storing(dsn) as store:
        context = ann()
        for text in ("One", "Two"):
            thread = await thread_named(store, "thr_1", user_said("u", text), context=context)
            assert await all_of(store, thread) == [here(user_said("u", text), thread)]
            await store.delete_thread("thr_1", context=context)


@pytest.mark.parametrize("way", ["erased", "anonymised"])
async def test_a_name_is_gone_with_its_thread_from_every_item_too(dsn: str, way: str) -> None:
    async with at_once(dsn) as (client, hansard):
        store, name = HansardStore(hansard), "Zweigstelle-4711"
        await thread_named(store, name, *EVERY_KIND)
        await store.save_item(name, user_said("u1", "Revised"), context=ann())
        await store.save_attachment(attachment("a", thread_id=name), context=ann())
        path = f"/api/conversations/{name}"
        if way == "erased":
            gone = await client.delete(path, headers=by("ann"))
        else:
            gone = await client.post(f"{path}/anonymise", headers=by("ann"))
        assert gone.status_code == 200, gone.text
    assert b"Zweigstelle-4711" not in dumped(dsn)


async def test_one_thread_that_is_saved_by_many_at_once_is_one_conversation(dsn: str) -> None:
    """Who comes second finds the name taken, and has saved the same thread."""
    async with storing(dsn) as one, storing(dsn) as other:
        saved = [ThreadMetadata(id="thr_1", created_at=WHEN, metadata={str(at): at}) for at in range(8)]
        await asyncio.gather(
            *((one, other)[at % 2].save_thread(thread, context=ann()) for at, thread in enumerate(saved))
        )
        (only,) = (await one.load_threads(20, None, "desc", context=ann())).data
        assert (only.id, only.metadata) == ("thr_1", {str(at): at for at in range(8)})


def test_a_list_goes_on_after_a_named_thread_that_was_deleted(dsn: str, model: Model, tmp_path: Path) -> None:
    """By the place that the service gave, though the name is nobody's any more."""
    naming = {"HANSARD_CHATKIT_SERVER": NAMING}
    with served(dsn, model, tmp_path, **naming) as service, widget_at(service.url) as widget:
        first, second = [widget.create(text) for text in ("One?", "Two?")]
        page = widget.ask("threads.list", limit=1)
        assert [each["id"] for each in page["data"]] == [second]
        for _ in range(2):
            assert widget.ask("threads.delete", thread_id=second) == {}
        assert [each.id for each in widget.threads(limit=1, after=page["after"])] == [first]
        assert widget.refused(request("threads.list", after=second))[0] == 404


async def test_a_read_of_a_named_thread_is_recorded_as_its_conversations(dsn: str) -> None:
    async with at_once(dsn, record_reads="all") as (client, _):
        made = await started(client, user("How tall is it?"), name="thr_1")
        for thread_id, status in (("thr_1", 200), (made["id"], 200), ("thr_2", 404)):
            body = request("threads.get_by_id", thread_id=thread_id)
            answer = await client.post(PATH, json=body, headers=by("ann"))
            assert answer.status_code == status, answer.text
    with psycopg.connect(dsn) as connection:
        reads = connection.execute("SELECT conversation_id::text, operation FROM hansard.reads").fetchall()
    assert reads == [(made["id"], f"POST {PATH} threads.get_by_id")] * 2
