"""Every kind of request, over HTTP against the running service, and what is there after a restart."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from chatkit.types import (
    AttachmentsCreateReq,
    FileAttachment,
    NonStreamingReq,
    StreamingReq,
    SyncCustomActionResponse,
    Thread,
    WidgetItem,
)

from tests.model import Model
from tests.service.chatkit.kitchen import SECRET, buttons
from tests.service.chatkit.serving import KITCHEN, NAMING, served
from tests.service.chatkit.speaking import Heard, Widget, adding, creating, request, said, widget_at

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes:DeprecationWarning")
KINDS = {kind.model_fields["type"].default for kind in get_args(StreamingReq) + get_args(NonStreamingReq)}


class Noting(Widget):
    """Notes what kinds of request were answered well."""

    kinds: set[str]

    def send(self, body: dict[str, Any], **headers: str) -> Any:
        answer = super().send(body, **headers)
        if answer.status_code == 200:
            self.kinds.add(body["type"])
        return answer


@pytest.mark.parametrize(("server", "id"), [(KITCHEN, r"[0-9a-f-]{36}"), (NAMING, r"thr_[0-9a-f]{8}")])
def test_every_kind_of_request_is_answered_and_all_is_there_in_order_after_a_restart(
    dsn: str, model: Model, tmp_path: Path, server: str, id: str
) -> None:
    with serving(dsn, model, tmp_path, server) as widget:
        noting = Noting(widget.client)
        noting.kinds = set()
        first, second = everything(noting, model)
        assert noting.refused(speech)[:2] == (400, "Speech is not taken down here; send text.")
        assert noting.kinds | {"input.transcribe"} == KINDS
        before = [noting.items(each) for each in (first, second)]
        listed = noting.threads()
        assert all(re.fullmatch(id, each) for each in (first, second))
        assert {item.thread_id for item in before[0]} == {first}
    with serving(dsn, model, tmp_path, server) as widget:
        assert [widget.items(each) for each in (first, second)] == before
        assert widget.threads() == listed
        assert [each.title for each in listed] == ["Where am I?", "Towers"]
        assert widget.lines(first) == [
            "How tall is it?",
            "300 metres.",
            "And in feet?",
            "984 feet.",
            "/form",
            "structured_input",
            "Then you know it.",
            "/tool",
            "client_tool_call",
            "Near it.",
            "/widget",
            "widget",
            "widget",
        ]
        assert widget.lines(second) == ["Where am I?", "In Paris."]


@contextmanager
def serving(dsn: str, model: Model, place: Path, server: str) -> Iterator[Widget]:
    with (
        served(dsn, model, place, HANSARD_CHATKIT_SERVER=server) as service,
        widget_at(service.url) as widget,
    ):
        yield widget


speech = request("input.transcribe", audio_base64="AAAA", mime_type="audio/webm")


def everything(widget: Widget, model: Model) -> tuple[str, str]:
    for answer in ("330 metres.", "300 metres.", "984 feet.", "Then you know it.", "Near it.", "In Paris."):
        model.answers(answer)
    attached = widget.ask("attachments.create", name="tower.pdf", size=17, mime_type="application/pdf")
    gone = widget.ask("attachments.create", name="other.pdf", size=17, mime_type="application/pdf")
    assert widget.ask("attachments.delete", attachment_id=gone["id"]) == {}
    heard = widget.hear(
        request("threads.create", input=said("How tall is it?", attachments=[attached["id"]]))
    )
    thread_id = heard.thread_id
    question, reply = heard.done
    assert FileAttachment.model_validate(attached).id == question.attachments[0].id
    assert question.attachments[0].thread_id == thread_id
    again = widget.hear(request("threads.retry_after_item", thread_id=thread_id, item_id=question.id))
    assert again.text == "300 metres."
    (other,) = again.done
    assert other.id != reply.id
    widget.hear(adding(thread_id, "And in feet?"))
    form(widget, model, thread_id)
    tool(widget, model, thread_id)
    actions(widget, thread_id)
    renamed = widget.ask("threads.update", thread_id=thread_id, title="Towers")
    assert Thread.model_validate(renamed).title == "Towers"
    assert widget.ask("items.feedback", thread_id=thread_id, item_ids=[other.id], kind="positive") == {}
    page = widget.get(f"/api/conversations/{thread_id}/messages")["messages"]
    assert {each["id"]: each.get("rating") for each in page}[other.id] == "positive"
    another = widget.create("Where am I?")
    unwanted = widget.create("Forget this.")
    assert [each.id for each in widget.threads()] == [unwanted, another, thread_id]
    assert widget.ask("threads.delete", thread_id=unwanted) == {}
    thread = widget.thread(thread_id)
    assert thread.items.data == widget.items(thread_id)
    return thread_id, another


def form(widget: Widget, model: Model, thread_id: str) -> None:
    (_, asked) = widget.hear(adding(thread_id, "/form")).done
    given = {"answers": {"where": {"values": ["In Paris"]}}}
    body = request("threads.add_structured_input", thread_id=thread_id, item_id=asked.id, input=given)
    heard = widget.hear(body)
    assert heard.types[1] == "thread.item.replaced"
    assert heard.text == "Then you know it."
    assert model.heard()[-1] == ("user", "Where are you?\nIn Paris")
    status, message, _ = widget.refused(body)
    assert (status, "has its answers already" in message) == (409, True)


def tool(widget: Widget, model: Model, thread_id: str) -> None:
    (_, call) = widget.hear(adding(thread_id, "/tool")).done
    assert (call.type, call.status) == ("client_tool_call", "pending")
    body = request("threads.add_client_tool_output", thread_id=thread_id, result={"lat": 48.86})
    assert widget.hear(body).text == "Near it."
    assert model.heard()[-1] == ("user", 'position: {"lat": 48.86}')
    status, message, _ = widget.refused(body)
    assert (status, "was not a ClientToolCallItem" in message) == (409, True)


def actions(widget: Widget, thread_id: str) -> None:
    (_, shown) = widget.hear(adding(thread_id, "/widget")).done
    press: dict[str, Any] = {"thread_id": thread_id, "action": {"type": "choose", "payload": 7}}
    heard: Heard = widget.hear(request("threads.custom_action", item_id=shown.id, **press))
    assert heard.types == ["stream_options", "thread.item.replaced"]
    heard = widget.hear(request("threads.custom_action", **press))
    assert heard.types == ["stream_options", "thread.item.done"]
    answer = widget.ask("threads.sync_custom_action", item_id=shown.id, **press)
    updated = SyncCustomActionResponse.model_validate(answer).updated_item
    assert isinstance(updated, WidgetItem)
    assert updated.id == shown.id


def test_what_only_the_server_should_see_reaches_no_client(kitchen: Widget, model: Model) -> None:
    answer = kitchen.send(creating("/hidden"))
    thread_id = Heard(iter(answer.text.splitlines())).all().thread_id
    answers = [
        answer.text,
        kitchen.send(request("items.list", thread_id=thread_id)).text,
        kitchen.send(request("threads.get_by_id", thread_id=thread_id)).text,
        kitchen.send(request("threads.list")).text,
    ]
    answers += [
        kitchen.client.get(path, headers=kitchen.headers).text
        for path in (
            f"/api/conversations/{thread_id}/messages",
            f"/api/chat/{thread_id}/history",
            "/api/chat/history",
            "/api/search?q=server",
        )
    ]
    assert not [each for each in answers if SECRET in each or "hidden" in each.replace("/hidden", "")]
    kitchen.hear(adding(thread_id, "Hello?"))
    assert SECRET not in str(model.asked)


def test_a_form_that_is_skipped_is_told_so(kitchen: Widget, model: Model) -> None:
    heard = kitchen.hear(creating("/form"))
    here: dict[str, Any] = {"thread_id": heard.thread_id, "item_id": heard.done[1].id}
    body = request("threads.add_structured_input", input={"status": "skipped"}, **here)
    assert kitchen.hear(body).text == "Certainly."
    assert model.heard()[-1] == ("user", "Where are you?\n(I would rather not say.)")
    assert kitchen.items(heard.thread_id)[1].status == "skipped"


def test_a_widget_full_of_actions_comes_back_as_it_was_sent(kitchen: Widget) -> None:
    answer = kitchen.send(creating("/buttons"))
    (sent,) = (
        event["item"]
        for event in map(json.loads, answer.text.replace("data: ", "").split("\n\n")[:-1])
        if event["type"] == "thread.item.done" and event["item"]["type"] == "widget"
    )
    assert sent["widget"] == buttons().model_dump(mode="json", by_alias=True, exclude_none=True)
    page = kitchen.ask("items.list", thread_id=sent["thread_id"], order="desc", limit=1)
    assert page["data"] == [sent]
    action = sent["widget"]["children"][0]["onClickAction"]
    pressed = request("threads.custom_action", thread_id=sent["thread_id"], item_id=sent["id"], action=action)
    assert kitchen.hear(pressed).types == ["stream_options", "thread.item.replaced"]


def test_pages_of_threads_lead_from_the_most_recent_to_the_first_and_back(
    widget: Widget, model: Model
) -> None:
    made = [widget.create(f"Number {number}") for number in range(5)]
    for order, wanted in (("asc", made), ("desc", made[::-1])):
        for limit in (1, 2, 5):
            found, after, more = list[str](), None, True
            while more:
                page = widget.ask("threads.list", order=order, limit=limit, after=after)
                found += [each["id"] for each in page["data"]]
                after, more = page.get("after"), page["has_more"]
            assert found == wanted


def test_the_types_that_there_are_have_not_become_more() -> None:
    assert len(KINDS) == 16
    assert AttachmentsCreateReq.model_fields["type"].default in KINDS
