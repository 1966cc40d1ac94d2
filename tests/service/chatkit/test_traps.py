"""What is known to go wrong between ChatKit's server and its Store, one test a trap."""

import os
import signal
from pathlib import Path

from tests.listening import draft, eventually
from tests.model import CUT, Hold, Model, Status
from tests.service.chatkit.record import Record
from tests.service.chatkit.serving import served
from tests.service.chatkit.speaking import Widget, adding, creating, request, widget_at


def test_an_open_workflow_that_the_next_turn_closes_is_one_item_revised(
    kitchen: Widget, kitchen_record: Record
) -> None:
    thread_id = kitchen.create("/workflow")
    kitchen.hear(adding(thread_id, "/close"))
    assert kitchen.lines(thread_id) == ["/workflow", "workflow", "/close"]
    (work,) = (each for each in kitchen.items(thread_id) if each.type == "workflow")
    assert (work.workflow.expanded, work.workflow.tasks[0].status_indicator) == (False, "complete")
    assert [each["topic"] for each in kitchen_record.events()].count("message_revised") == 1


def test_a_rename_while_a_reply_streams_survives_it_and_is_told(widget: Widget, model: Model) -> None:
    hold = Hold()
    model.answers("Once ", hold, "more.")
    with widget.listen(creating("Tell me a story.")) as heard:
        heard.until("Once ")
        widget.ask("threads.update", thread_id=heard.thread_id, title="Stories")
        hold.go()
        heard.all()
    assert widget.thread(heard.thread_id).title == "Stories"
    titles = [event.thread.title for event in heard.events if event.type == "thread.updated"]
    assert titles == ["Tell me a story.", "Stories"]


def test_a_rename_survives_a_stream_that_saves_the_thread_in_the_end(kitchen: Widget, model: Model) -> None:
    """The stream has loaded the thread under its old title, and saves all of it."""
    hold = Hold()
    thread_id = kitchen.create("Before")
    model.answers("Once ", hold)
    with kitchen.listen(adding(thread_id, "/note")) as heard:
        heard.until("Once ")
        kitchen.ask("threads.update", thread_id=thread_id, title="Stories")
        hold.go()
        heard.all()
    assert heard.errors == []
    found = kitchen.get(f"/api/conversations/{thread_id}")
    assert (found["title"], found["metadata"]["noted"]) == ("Stories", True)


def test_the_one_id_of_all_models_by_chat_completions_makes_two_items(kitchen: Widget) -> None:
    heard = kitchen.hear(creating("/fake"))
    kitchen.hear(adding(heard.thread_id, "/fake"))
    one, other = (each for each in kitchen.items(heard.thread_id) if each.type == "assistant_message")
    assert one.id != other.id
    assert "__fake_id__" not in heard.events[-1].model_dump_json()
    assert heard.added[0].id == heard.done[-1].id == one.id
    assert {event.item_id for event in heard.events if event.type == "thread.item.updated"} == {one.id}


def test_a_retry_that_was_left_half_done_is_mended_by_a_second_one(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    """The service is killed when the reply was taken away and the new one had not come."""
    with served(dsn, model, tmp_path) as service, widget_at(service.url) as widget:
        heard = widget.hear(creating("Well?"))
        thread_id, question = heard.thread_id, heard.done[0]
        for text in ("Really?", "Sure?"):
            widget.hear(adding(thread_id, text))
        hold = Hold()
        model.answers(hold)
        retry = request("threads.retry_after_item", thread_id=thread_id, item_id=question.id)
        with widget.listen(retry):
            hold.reached()
            os.killpg(service.process.pid, signal.SIGKILL)
            service.process.wait()
        hold.go()
    with served(dsn, model, tmp_path) as service, widget_at(service.url) as widget:
        eventually(lambda: draft(dsn) is None)
        assert widget.lines(thread_id) == ["Well?"]
        model.answers("Indeed.")
        assert widget.hear(retry).text == "Indeed."
        assert widget.lines(thread_id) == ["Well?", "Indeed."]


def test_a_responder_that_fails_is_told_of_and_can_be_tried_again(widget: Widget, model: Model) -> None:
    model.answers(Status(500))
    heard = widget.hear(creating("Well?"))
    thread_id, (question,) = heard.thread_id, heard.done
    (error,) = heard.errors
    assert (error.code, error.allow_retry) == ("custom", True)
    assert error.message == "The responder failed: it answered 500 Internal Server Error."
    retry = request("threads.retry_after_item", thread_id=thread_id, item_id=question.id)
    model.answers("Once ", CUT)
    heard = widget.hear(retry)
    assert [error.allow_retry for error in heard.errors] == [True]
    assert widget.items(thread_id) == [question, *heard.done]
    assert widget.lines(thread_id) == ["Well?", "Once "]
    assert widget.hear(retry).text == "Certainly."
    assert widget.lines(thread_id) == ["Well?", "Certainly."]


def test_short_pages_with_hidden_items_lead_on_to_all_the_others(kitchen: Widget) -> None:
    thread_id = kitchen.create("/hidden")
    for _ in range(3):
        kitchen.hear(adding(thread_id, "/hidden"))
    found, after = list[str](), None
    while True:
        page = kitchen.ask("items.list", thread_id=thread_id, order="asc", limit=1, after=after)
        found += [each["type"] for each in page["data"]]
        after = page.get("after")
        if not page["has_more"]:
            break
    assert found == ["user_message"] * 4
