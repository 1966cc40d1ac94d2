"""A thread has no title for its server until somebody gives it one; clients are shown how it begins."""

from service.chatkit.store import HansardStore
from tests.contracts.items import user_said
from tests.model import Hold, Model
from tests.service.chatkit.speaking import Heard, Widget, adding, creating
from tests.service.chatkit.test_store import ann, events_of, storing, thread_with


def titles(heard: Heard) -> list[str | None]:
    return [event.thread.title for event in heard.events if event.type == "thread.updated"]


def test_a_server_sees_no_title_until_one_is_given(kitchen: Widget) -> None:
    thread_id = kitchen.create("How tall is it?")
    assert kitchen.thread(thread_id).title == "How tall is it?"
    kitchen.hear(adding(thread_id, "/title"))
    assert kitchen.thread(thread_id).title == "Given"
    kitchen.ask("threads.update", thread_id=thread_id, title="By hand")
    kitchen.hear(adding(thread_id, "/title"))
    assert kitchen.thread(thread_id).title == "By hand"


def test_clients_never_see_the_old_title_after_a_server_has_given_another(
    kitchen: Widget, model: Model
) -> None:
    heard = kitchen.hear(creating("/title"))
    assert titles(heard) == ["Given"]
    other = kitchen.create("How tall is it?")
    assert titles(kitchen.hear(adding(other, "/title"))) == ["Given"]
    assert titles(kitchen.hear(adding(other, "And in feet?"))) == []


def test_a_thread_that_the_server_saves_is_told_under_the_title_that_it_has_by_now(
    kitchen: Widget, model: Model
) -> None:
    assert titles(kitchen.hear(creating("/note"))) == ["/note", "/note"]
    hold = Hold()
    thread_id = kitchen.create("Before")
    model.answers("Once ", hold)
    with kitchen.listen(adding(thread_id, "/note")) as heard:
        heard.until("Once ")
        kitchen.ask("threads.update", thread_id=thread_id, title="Stories")
        hold.go()
        heard.all()
    assert titles(heard) == ["Stories", "Stories"]


async def test_lists_show_how_a_thread_begins_and_do_not_make_that_its_title(dsn: str) -> None:
    async with storing(dsn) as store:
        thread = await thread_with(store, user_said("u", "How tall is it?"))
        assert await listed_title(store) == "How tall is it?"
        for looks_first in (True, False):
            context = ann()
            if looks_first:
                assert (await store.load_thread(thread.id, context=context)).title is None
            (listed,) = (await store.load_threads(20, None, "desc", context=context)).data
            listed.metadata["seen"] = looks_first
            await store.save_thread(listed, context=context)
        assert "conversation_renamed" not in {
            type(each).__struct_config__.tag for each in await events_of(store, thread)
        }
        assert (await store.load_thread(thread.id, context=ann())).title is None
        listed.title = "Given"
        await store.save_thread(listed, context=context)
        assert (
            (await store.load_thread(thread.id, context=ann())).title == await listed_title(store) == "Given"
        )


async def listed_title(store: HansardStore) -> str | None:
    (listed,) = (await store.load_threads(20, None, "desc", context=ann())).data
    return listed.title
