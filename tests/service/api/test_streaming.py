"""Replies outlive whoever asked for them: real sockets, real processes, and a model that waits when told."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest

from service.postgres.embedded import EmbeddedPostgres
from tests.conftest import database
from tests.listening import (
    LONGEST_WAIT,
    Headers,
    chat,
    draft,
    events,
    eventually,
    history,
    resuming,
    send_and_leave,
    talking,
)
from tests.model import Hold, Model, scripted
from tests.serving import Service, serving

people = count(1)


@pytest.fixture(scope="module")
def standing_model() -> Iterator[Model]:
    with scripted() as model:
        yield model


@pytest.fixture
def model(standing_model: Model) -> Model:
    """Each test scripts it anew."""
    standing_model.forget()
    return standing_model


@pytest.fixture
def ann() -> Headers:
    """Another one in each test."""
    return {"X-User-Id": f"ann-{next(people)}"}


@dataclass(frozen=True)
class Standing:
    dsn: str
    one: Service
    other: Service


@pytest.fixture(scope="module")
def standing(
    postgres: EmbeddedPostgres, template: str, standing_model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    """Two services that are neither stopped nor killed."""
    with (
        database(postgres, template) as dsn,
        served(dsn, standing_model, tmp_path_factory.mktemp("standing"), 2) as (one, other),
    ):
        yield Standing(dsn, one, other)


@contextmanager
def served(dsn: str, model: Model, place: Path, number: int = 1, **environ: str) -> Iterator[list[Service]]:
    """So many services on one database; more of them are as good as workers, and can be told apart."""
    given = model.environ(HANSARD_GRACE="0") | environ
    with ExitStack() as stack:
        services = [
            stack.enter_context(
                serving("--dsn", dsn, data=place / "data", output=place / f"output-{each}", **given)
            )
            for each in range(number)
        ]
        yield services


def test_the_model_is_told_the_whole_history_in_order_across_conversations(
    standing: Standing, model: Model, ann: Headers
) -> None:
    url = standing.one.url
    for each in ("One.", "Two.", "Three."):
        model.answers(each)
    first = chat(url, "First?", who=ann).json()["session_id"]
    with talking(url, "Second?", who=ann) as listener:
        listener.end()
    chat(url, "Third?", who=ann, session_id=first)
    assert [each["stream"] for each in model.asked] == [True] * 3
    assert model.heard() == [
        ("system", "You are a helpful assistant."),
        ("user", "First?"),
        ("assistant", "One."),
        ("user", "Second?"),
        ("assistant", "Two."),
        ("user", "Third?"),
    ]


@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/stream"])
def test_a_client_that_leaves_in_the_middle_does_not_keep_the_reply_from_being_stored(
    standing: Standing, model: Model, ann: Headers, path: str
) -> None:
    url = standing.one.url
    hold = Hold()
    model.answers("Once ", "upon ", hold, "a time.")
    send_and_leave(url, path, {"message": "Tell me."}, hold.reached, ann)
    hold.go()
    whole = [("user", "Tell me."), ("assistant", "Once upon a time.")]
    eventually(lambda: history(url, who=ann) == whole)
    assert events(standing.dsn, ann["X-User-Id"])[-1].get("status", "complete") == "complete"


def test_two_listeners_one_of_them_resumed_at_another_worker_get_the_same_text(
    standing: Standing, model: Model, ann: Headers
) -> None:
    one, other = standing.one, standing.other
    first, second = Hold(), Hold()
    model.answers("Ein ", first, "Stück ", "Käse, ", second, "bitte. 😀")
    with talking(one.url, "Was gibt es?", who=ann) as listener:
        cut_off = listener.until("Ein ")
        session_id = listener.heard[0].data["session_id"]
        first.go()
        with resuming(other.url, session_id, cut_off.id, ann) as resumed:
            resumed.until("Stück Käse, ")
            second.go()
            assert resumed.end().data == listener.end().data
    assert listener.text == "Ein Stück Käse, bitte. 😀"
    assert "Ein " + resumed.text == listener.text
    assert listener.heard[-1].data["reply"]["content"] == listener.text
    for service in (one, other):
        with resuming(service.url, session_id, cut_off.id, ann) as late:
            assert late.end() == listener.heard[-1]
        assert late.text == resumed.text
        assert after(service, session_id, late.heard[-1].id, ann) == 204


def after(service: Service, session_id: str, last_event_id: str, who: Headers) -> int:
    path = f"{service.url}/api/chat/{session_id}/stream"
    headers = {**who, "Last-Event-ID": last_event_id}
    return httpx.get(path, headers=headers, timeout=LONGEST_WAIT).status_code


def test_a_running_reply_refuses_the_next_message_unless_it_interrupts(
    standing: Standing, model: Model, ann: Headers
) -> None:
    for service, other in ((standing.one, standing.other), (standing.other, standing.one)):
        hold = Hold()
        model.answers("Once ", hold)
        with talking(service.url, "One?", who=ann) as listener:
            listener.until("Once ")
            session_id = listener.heard[0].data["session_id"]
            refused = chat(other.url, "Two?", who=ann, session_id=session_id)
            assert (refused.status_code, refused.json()["type"]) == (409, "reply-in-progress")
            assert refused.headers["Retry-After"] == "1"
            told = chat(other.url, "Two?", who=ann, session_id=session_id, interrupt=True)
            assert told.json()["reply"]["content"] == "Certainly."
            assert listener.end().data["reply"]["status"] == "interrupted"
        said = ["One?", "Once ", "Two?", "Certainly."]
        assert [line[1] for line in history(service.url, session_id, ann)] == said
        hold.go()


def test_a_running_reply_is_stopped_at_any_worker(standing: Standing, model: Model, ann: Headers) -> None:
    for service in (standing.one, standing.other):
        hold = Hold()
        model.answers("Once ", hold)
        with talking(standing.one.url, "One?", who=ann) as listener:
            listener.until("Once ")
            path = f"/api/chat/{listener.heard[0].data['session_id']}/stop"
            stopped = httpx.post(service.url + path, headers=ann, timeout=LONGEST_WAIT).json()
            assert (stopped["success"], stopped["stopped"]) == (True, True)
            assert stopped["reply"] == listener.end().data["reply"]
            assert stopped["reply"]["content"] == "Once "
        hold.go()


def test_after_a_kill_in_the_middle_the_text_so_far_is_there_and_the_conversation_goes_on(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", "upon ", hold)
    with served(dsn, model, tmp_path) as (service,), talking(service.url, "Tell me.") as listener:
        listener.until("Once upon ")
        session_id = listener.heard[0].data["session_id"]
        eventually(lambda: draft(dsn) == "Once upon ")
        os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()
    hold.go()
    with served(dsn, model, tmp_path) as (service,):
        eventually(lambda: draft(dsn) is None)
        interrupted = events(dsn)[-1]
        assert (interrupted["content"], interrupted["status"]) == ("Once upon ", "interrupted")
        with resuming(service.url, session_id, listener.heard[-1].id) as resumed:
            assert resumed.end().data["reply"]["status"] == "interrupted"
        assert chat(service.url, "Go on.", session_id=session_id).status_code == 200
        said = ["Tell me.", "Once upon ", "Go on.", "Certainly."]
        assert [line[1] for line in history(service.url, session_id)] == said


@pytest.mark.parametrize("is_new", [True, False])
def test_one_request_ten_times_at_once_with_one_key_at_two_workers_is_stored_once(
    standing: Standing, model: Model, ann: Headers, is_new: bool
) -> None:
    services = (standing.one, standing.other)
    given = {} if is_new else {"session_id": chat(standing.one.url, "Before?", who=ann).json()["session_id"]}
    urls = [services[each % 2].url for each in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda url: chat(url, "Well?", "key-1", ann, **given), urls))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    told = history(standing.one.url, who=ann)
    assert [line for line in told if line == ("user", "Well?")] == [("user", "Well?")]
    assert len(model.asked) == (1 if is_new else 2)
    for service in services:
        reused = chat(service.url, "Something else?", "key-1", ann, **given)
        assert (reused.status_code, reused.json()["type"]) == (409, "idempotency-key-reused")


def test_a_stop_in_the_middle_lets_a_reply_end_in_its_grace(dsn: str, model: Model, tmp_path: Path) -> None:
    hold = Hold()
    model.answers("Once ", hold, "upon a time.")
    with served(dsn, model, tmp_path, HANSARD_GRACE="30") as (service,):
        with talking(service.url, "Tell me.") as listener:
            listener.until("Once ")
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: refuses(service))
            hold.go()
            assert listener.end().data["reply"]["content"] == "Once upon a time."
        assert service.process.wait(20) == 0
    assert events(dsn)[-1]["content"] == "Once upon a time."


def refuses(service: Service) -> bool:
    """A new message: once it is told to stop it takes none, by one way or another."""
    try:
        return chat(service.url, "And I?").status_code == 503
    except httpx.TransportError:
        return True


def test_and_ends_it_after_the_grace_with_what_came_stored_and_heard(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with served(dsn, model, tmp_path, 2) as (one, other), talking(one.url, "Tell me.") as listener:
        listener.until("Once ")
        session_id = listener.heard[0].data["session_id"]
        with resuming(other.url, session_id) as elsewhere:
            elsewhere.until("Once ")
            began = time.monotonic()
            assert one.stop(signal.SIGTERM) == 0
            assert time.monotonic() - began < 15
            for each in (listener, elsewhere):
                assert each.end().event == "done"
                assert each.heard[-1].data["reply"]["status"] == "interrupted"
                assert each.text == "Once "
    hold.go()


def test_a_listener_of_another_workers_reply_does_not_hold_up_a_stop(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", hold, "upon a time.")
    with served(dsn, model, tmp_path, 2) as (one, other), talking(one.url, "Tell me.") as listener:
        listener.until("Once ")
        with resuming(other.url, listener.heard[0].data["session_id"]) as elsewhere:
            cut_off = elsewhere.until("Once ")
            began = time.monotonic()
            assert other.stop(signal.SIGTERM) == 0
            assert time.monotonic() - began < 15
            assert elsewhere.end() == cut_off
        hold.go()
        assert listener.end().data["reply"]["content"] == "Once upon a time."


def test_nor_does_a_listener_that_does_not_read(dsn: str, model: Model, tmp_path: Path) -> None:
    model.answers(*(["x" * 1_000_000] * 12))
    with (
        served(dsn, model, tmp_path, HANSARD_MESSAGE_LIMIT="20000000") as (service,),
        socket.socket() as deaf,
    ):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = service.url.removeprefix("http://").split(":")
        deaf.connect((host, int(port)))
        body = b'{"message": "Tell me.", "user_id": "ann"}'
        deaf.sendall(
            b"POST /api/chat/stream HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (f"{host}:{port}".encode(), len(body), body)
        )
        eventually(lambda: any(len(each.get("content", "")) == 12_000_000 for each in events(dsn)))
        began = time.monotonic()
        assert service.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 15
    assert "Killing" not in service.said
