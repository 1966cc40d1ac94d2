"""Listens to server-sent events as a browser does, and reads what a service has stored."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

ANN = {"X-User-Id": "ann"}
LONGEST_WAIT = 40.0


@dataclass(frozen=True)
class Heard:
    event: str
    id: str
    data: Any


class Listener:
    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.heard: list[Heard] = []
        self._lines = answer.iter_lines()

    def __iter__(self) -> Iterator[Heard]:
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "data" in fields:
                self.heard.append(Heard(fields["event"], fields["id"], json.loads(fields["data"])))
                fields = {}
                yield self.heard[-1]

    @property
    def text(self) -> str:
        return "".join(each.data["text"] for each in self.heard if each.event == "delta")

    def until(self, text: str) -> Heard:
        """Listens until so much was said."""
        for each in self:
            if self.text.startswith(text):
                return each
        raise AssertionError(f"it ended with {self.text!r}")

    def end(self) -> Heard:
        """Listens to the end."""
        for _ in self:
            pass
        return self.heard[-1]


Headers = Mapping[str, str]


@contextmanager
def talking(url: str, message: str, who: Headers = ANN, **more: Any) -> Iterator[Listener]:
    """Sends a message and listens to the reply."""
    body = {"message": message, **more}
    with httpx.stream(
        "POST", f"{url}/api/chat/stream", json=body, headers=who, timeout=LONGEST_WAIT
    ) as answer:
        assert answer.status_code == 200, answer.read()
        yield Listener(answer)


@contextmanager
def resuming(
    url: str, session_id: str, last_event_id: str | None = None, who: Headers = ANN
) -> Iterator[Listener]:
    headers = who if last_event_id is None else {**who, "Last-Event-ID": last_event_id}
    path = f"{url}/api/chat/{session_id}/stream"
    with httpx.stream("GET", path, headers=headers, timeout=LONGEST_WAIT) as answer:
        assert answer.status_code == 200, answer.read()
        yield Listener(answer)


def chat(url: str, message: str, key: str | None = None, who: Headers = ANN, **more: Any) -> httpx.Response:
    headers = who if key is None else {**who, "Idempotency-Key": key}
    body = {"message": message, **more}
    return httpx.post(f"{url}/api/chat", json=body, headers=headers, timeout=LONGEST_WAIT)


def history(url: str, session_id: str | None = None, who: Headers = ANN) -> list[tuple[str, str]]:
    given = {"session_id": session_id} if session_id else {}
    answer = httpx.get(f"{url}/api/chat/history", params=given, headers=who, timeout=LONGEST_WAIT)
    assert answer.status_code == 200, answer.text
    return [(each["role"], each["content"]) for each in answer.json()["messages"]]


OF_A_USER = "WHERE %(user)s::text IS NULL OR user_id = %(user)s"
DRAFT = f"SELECT convert_from(content, 'UTF8') FROM hansard.drafts {OF_A_USER}"  # noqa: S608
EVENTS = f"""
SELECT topic, convert_from(state, 'UTF8') FROM hansard.events
{OF_A_USER} ORDER BY shard, position"""  # noqa: S608


def draft(dsn: str, user_id: str | None = None) -> str | None:
    """The text so far of the one reply that is running, or of that user's."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(DRAFT.encode(), {"user": user_id}).fetchone()
    return None if row is None else str(row[0])


def events(dsn: str, user_id: str | None = None) -> list[dict[str, Any]]:
    """The log, as an auditor would read it, or what there is of a user in it."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(EVENTS.encode(), {"user": user_id}).fetchall()
    return [{"topic": topic, **json.loads(state)} for topic, state in rows]


def eventually(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def send_and_leave(
    url: str, path: str, body: dict[str, Any], before_leaving: Callable[[], None], who: Headers = ANN
) -> None:
    """A client whose connection breaks off, without a word."""
    host, port = url.removeprefix("http://").split(":")
    raw = json.dumps(body).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nX-User-Id: {who['X-User-Id']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
        before_leaving()
