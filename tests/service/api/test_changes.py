"""Watching what happens in one's conversations: in order, from any worker, and nobody else's."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg

from service.postgres.embedded import EmbeddedPostgres
from tests.listening import LONGEST_WAIT, Heard, Listener, chat
from tests.service.api.calling import calling
from tests.serving import Service, serving

ANN = {"X-User-Id": "ann"}
LISTENERS = 60
APPENDS = 20


@contextmanager
def watching(service: Service, last_event_id: str | None = None, user: str = "ann") -> Iterator[Listener]:
    headers = {"X-User-Id": user} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    with httpx.stream("GET", f"{service.url}/api/changes", headers=headers, timeout=LONGEST_WAIT) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer)


def next_of(listener: Listener, number: int = 1) -> list[Heard]:
    heard = iter(listener)
    return [next(heard) for _ in range(number)]


def test_what_one_worker_stores_is_told_by_another_in_order_and_to_its_owner_only(
    dsn: str, tmp_path: Path
) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "a", output=tmp_path / "a.log") as one,
        serving("--dsn", dsn, data=tmp_path / "b", output=tmp_path / "b.log") as other,
        watching(other) as anns,
        watching(other, user="bob") as bobs,
    ):
        assert next_of(anns)[0].event == next_of(bobs)[0].event == "watching"
        session_id = chat(one.url, "Hello?").json()["session_id"]
        told = next_of(anns, 3)
        assert [(each.event, each.data["topic"], each.data["version"]) for each in told] == [
            ("change", "conversation_started", 1),
            ("change", "message_added", 2),
            ("change", "message_added", 3),
        ]
        assert {each.data["conversation_id"] for each in told} == {session_id}

        bob = {"user_id": "bob", "message": "Mine."}
        httpx.post(f"{one.url}/api/chat", json=bob, timeout=LONGEST_WAIT)
        assert next_of(bobs)[0].data["conversation_id"] != session_id

        with watching(one, told[0].id) as resumed:
            assert next_of(resumed)[0].event == "watching"
            assert next_of(resumed, 2) == told[1:]


def test_what_is_erased_is_told_as_a_change_or_as_a_reason_to_look_again(dsn: str, tmp_path: Path) -> None:
    with serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service:
        session_id = chat(service.url, "Hello?").json()["session_id"]
        with watching(service) as listener:
            next_of(listener)
            httpx.delete(f"{service.url}/api/conversations/{session_id}", headers=ANN).raise_for_status()
            assert next_of(listener)[0].event in ("change", "look-again")


def test_a_worker_that_stops_ends_the_stream_and_is_not_held_up_by_it(dsn: str, tmp_path: Path) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service,
        watching(service) as listener,
    ):
        assert next_of(listener)[0].event == "watching"
        service.process.terminate()
        assert listener.end().event == "watching"
        assert service.process.wait(30) == 0


async def test_a_place_that_is_none_or_somebody_elses_is_refused(dsn: str) -> None:
    async with calling(dsn) as client:
        for place in ("nowhere", "AAAA"):
            headers = ANN | {"Last-Event-ID": place}
            answer = await client.get("/api/changes", headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (400, "bad-cursor")


@contextmanager
def idle_listeners(service: Service, number: int) -> Iterator[list[socket.socket]]:
    """So many users, to whom nothing happens; each of them watches."""
    host, port = service.url.removeprefix("http://").split(":")
    with ExitStack() as open_ones:
        listeners = [
            open_ones.enter_context(socket.create_connection((host, int(port)))) for _ in range(number)
        ]
        for each, listener in enumerate(listeners):
            request = f"GET /api/changes HTTP/1.1\r\nHost: {host}:{port}\r\nX-User-Id: idle-{each}\r\n\r\n"
            listener.sendall(request.encode())
        for listener in listeners:
            heard = b""
            while b"event: watching" not in heard:
                heard += listener.recv(4_096)
        yield listeners


def test_an_append_is_looked_for_once_however_many_listen(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """PostgreSQL writes down each statement that looks for changes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(
                psycopg.sql.Identifier(name)
            )
        )
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service,
        idle_listeners(service, LISTENERS),
        watching(service) as anns,
        httpx.Client(base_url=service.url, headers=ANN) as client,
    ):
        next_of(anns)
        made = client.post("/api/conversations", json={}).json()["id"]
        next_of(anns)
        before = len(postgres.log.read_bytes())
        for _ in range(APPENDS):
            sent = client.post(f"/api/conversations/{made}/messages", json={"role": "user", "content": "Hi"})
            assert sent.status_code == 201
        told = next_of(anns, APPENDS)
        looks = postgres.log.read_bytes()[before:].count(
            b"position, conversation_id, version, topic, user_id FROM events"
        )
    assert [each.data["version"] for each in told] == list(range(2, APPENDS + 2))
    assert looks <= APPENDS
