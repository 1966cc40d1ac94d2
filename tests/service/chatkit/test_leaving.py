"""Clients that go away, at whatever point of the stream: what was said is kept, marked interrupted."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from service.chatkit.loading import ChatKit
from service.chatkit.run import ChatKitRun
from service.hansard import running
from service.settings.settings import Settings
from service.store.repository import Caller
from tests.conftest import SHARDS
from tests.listening import events, eventually
from tests.model import Hold, Model
from tests.service.chatkit.record import Record
from tests.service.chatkit.serving import KITCHEN, served
from tests.service.chatkit.speaking import (
    LONGEST_WAIT,
    PATH,
    Heard,
    Widget,
    adding,
    creating,
    request,
    widget_at,
)


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        ("thread.created", []),
        ("thread.item.done", []),
        ("stream_options", []),
        ("thread.updated", []),
        ("thread.item.added", [("Once ", "interrupted")]),
        ("thread.item.updated", [("Once ", "interrupted")]),
    ],
)
def test_whoever_goes_away_at_any_point_stops_the_reply_and_keeps_what_was_said(
    widget: Widget, model: Model, record: Record, point: str, kept: list[Any]
) -> None:
    hold = Hold()
    steps: list[Any] = ["Once ", hold, "upon a time."] if kept else [hold, "Certainly."]
    model.answers(*steps)  # who goes early may have stopped the reply before the model was asked
    with widget.listen(creating("Tell me.")) as heard:
        heard.until_event(point)
    thread_id = heard.thread_id
    eventually(record.is_over)
    assert record.stored()[0] == ("Tell me.", "complete")
    assert [each for each in record.stored()[1:] if each != ("", "stopped")] == kept
    assert widget.lines(thread_id) == ["Tell me.", *(text for text, _ in kept)]
    hold.go()
    assert widget.hear(adding(thread_id, "Go on.")).text == "Certainly."
    assert widget.lines(thread_id) == ["Tell me.", *(text for text, _ in kept), "Go on.", "Certainly."]
    assert not [each for each in record.events() if each.get("kind", "message") != "message"]


def test_after_a_stop_the_next_message_goes_at_once(widget: Widget, model: Model, record: Record) -> None:
    """The service may not have noticed yet that the client of the message before is gone."""
    hold = Hold()
    model.answers("Once ", hold)
    with widget.listen(creating("One?")) as heard:
        heard.until("Once ")
        again = widget.hear(adding(heard.thread_id, "Two?"))
        assert (again.text, again.errors) == ("Certainly.", [])
        heard.all()
    assert heard.errors == []
    assert widget.lines(heard.thread_id) == ["One?", "Once ", "Two?", "Certainly."]
    assert record.stored()[1] == ("Once ", "interrupted")
    hold.go()


def test_where_the_settings_say_so_the_reply_is_finished(dsn: str, model: Model, tmp_path: Path) -> None:
    with (
        served(dsn, model, tmp_path, HANSARD_CHATKIT_LEAVE="finish") as service,
        widget_at(service.url) as widget,
    ):
        hold = Hold()
        model.answers("Once ", hold, "upon a time.")
        with widget.listen(creating("Tell me.")) as heard:
            heard.until("Once ")
        hold.go()
        record = Record(dsn)
        eventually(lambda: record.stored()[1:] == [("Once upon a time.", "complete")])
        eventually(record.is_quiet)
        assert widget.lines(heard.thread_id) == ["Tell me.", "Once upon a time."]


@contextmanager
def slow(widget: Widget, body: dict[str, Any]) -> Iterator[socket.socket]:
    """A client who sends a request and reads nothing of the answer."""
    host, port = widget.client.base_url.host, widget.client.base_url.port
    assert port is not None
    raw = msgspec.json.encode(body)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, port))
        connection.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nX-User-Id: {widget.user_id}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
        yield connection


def test_a_slow_reader_who_goes_away_blocked_keeps_what_was_said_to_her(
    widget: Widget, model: Model, record: Record
) -> None:
    word = "word " * 2_000
    hold = Hold()
    model.answers(*[word] * 90, hold, "and the rest.")
    with slow(widget, creating("Tell me.")):
        hold.reached()
        eventually(lambda: record.draft() == word * 90)
    eventually(record.is_over)
    assert record.stored() == [("Tell me.", "complete"), (word * 90, "interrupted")]
    (thread,) = widget.threads()
    assert widget.lines(thread.id) == ["Tell me.", word * 90]
    hold.go()


def test_a_slow_reader_holds_up_neither_the_reply_nor_anybody_else(
    widget: Widget, model: Model, record: Record
) -> None:
    word = "word " * 2_000
    model.answers(*[word] * 90)
    with slow(widget, creating("Tell me.")) as connection:
        eventually(lambda: record.stored()[1:] == [(word * 90, "complete")])
        assert widget.strangers().hear(creating("And I?")).text == "Certainly."
        connection.settimeout(30)
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65_536)
    text = b"".join(chunks(answer.partition(b"\r\n\r\n")[2])).decode()
    assert Heard(iter(text.splitlines())).all().text == word * 90


def chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


def test_a_reply_of_an_applications_own_is_kept_as_far_as_it_came(
    kitchen: Widget, kitchen_record: Record
) -> None:
    """By ChatKit's package, with the note beside it that it makes for models."""
    with kitchen.listen(creating("/endless")) as heard:
        heard.until("Once ")
    eventually(lambda: len(kitchen_record.stored()) == 3)
    assert kitchen.lines(heard.thread_id) == ["/endless", "Once "]
    assert kitchen_record.stored()[:2] == [("/endless", "complete"), ("Once ", "interrupted")]
    shown = kitchen.get(f"/api/conversations/{heard.thread_id}/messages")["messages"]
    assert [(each["content"], each["status"]) for each in shown][1:] == [("Once ", "interrupted")]
    assert [each.get("kind") for each in kitchen_record.events()][-1] == "sdk_hidden_context"


@pytest.mark.parametrize(("asked", "kind"), [("/form", "structured_input"), ("/tool", "client_tool_call")])
async def test_whoever_answers_and_goes_away_at_once_gets_no_reply_and_that_is_on_record(
    dsn: str, model: Model, asked: str, kind: str
) -> None:
    """As soon as she hears that her answer is taken; nothing was replied to it by then."""
    hold = Hold()
    model.answers(hold)
    asking = {"responder": "openai", "openai_base_url": model.url, "openai_model": "scripted"}
    settings = Settings(dsn=dsn, shards=SHARDS, chatkit_server=KITCHEN, **asking)  # type: ignore[arg-type]
    async with running(settings, dsn) as hansard:
        server, ann = await ChatKit(hansard).server(), Caller("ann")
        begun = await heard_from(server, ann, creating(asked))
        here: dict[str, Any] = {"thread_id": begun.thread_id}
        item = begun.done[-1]
        answers = {"answers": {"where": {"values": ["In Paris"]}}}
        body = (
            request("threads.add_structured_input", item_id=item.id, input=answers, **here)
            if asked == "/form"
            else request("threads.add_client_tool_output", result={"lat": 48.86}, **here)
        )
        run = await server.answer(msgspec.json.encode(body), ann)
        assert isinstance(run, ChatKitRun)
        await run.begun()
        run.leave()
        await asyncio.wait({run.work})
        *_, answered, failed = events(dsn)
        assert (answered["topic"], answered["kind"]) == ("message_revised", kind)
        assert (failed["topic"], failed["in_reply_to"]) == ("reply_failed", item.id)
        assert failed["reason"] == "stopped"
        hold.go()


async def heard_from(server: Any, caller: Caller, body: dict[str, Any]) -> Heard:
    run = await server.answer(msgspec.json.encode(body), caller)
    text = b"".join([event async for event in run.events(LONGEST_WAIT)]).decode()
    return Heard(iter(text.splitlines())).all()


@pytest.mark.parametrize("bytes_heard", [0, 1])
def test_whoever_goes_away_before_anything_can_be_read_leaves_a_whole_thread(
    widget: Widget, model: Model, record: Record, bytes_heard: int
) -> None:
    hold = Hold()
    model.answers(hold, "Certainly.")
    with slow(widget, creating("Tell me.")) as connection:
        eventually(lambda: bool(record.events()))  # what no server has read yet goes with its connection
        assert len(connection.recv(bytes_heard)) == bytes_heard
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(record.is_over)
    hold.go()
    (thread,) = widget.threads()
    assert widget.lines(thread.id) == ["Tell me."]
    assert widget.hear(adding(thread.id, "Well?")).text == "Certainly."


def test_a_stop_of_the_service_ends_streams_and_what_was_said_can_be_asked_again_after_it(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with served(dsn, model, tmp_path) as service, widget_at(service.url) as widget:
        with widget.listen(creating("Tell me.")) as heard:
            heard.until("Once ")
            service.process.terminate()
            heard.all()
            assert heard.types[-1] == "thread.item.done"
            assert service.process.wait(60) == 0
        hold.go()
        assert Record(dsn).stored() == [("Tell me.", "complete"), ("Once ", "interrupted")]
        with pytest.raises(httpx.TransportError):
            widget.send(request("threads.list"))
    question = heard.done[0]
    retry = request("threads.retry_after_item", thread_id=heard.thread_id, item_id=question.id)
    with served(dsn, model, tmp_path) as service, widget_at(service.url) as widget:
        assert widget.lines(heard.thread_id) == ["Tell me.", "Once "]
        assert widget.hear(retry).text == "Certainly."
        assert widget.lines(heard.thread_id) == ["Tell me.", "Certainly."]
