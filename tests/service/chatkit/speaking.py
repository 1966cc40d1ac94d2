"""Speaks ChatKit's protocol over HTTP as its widget does; the package's own types decode what comes back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    ErrorEvent,
    Page,
    Thread,
    ThreadCreatedEvent,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)
from pydantic import TypeAdapter

EVENT: TypeAdapter[ThreadStreamEvent] = TypeAdapter(ThreadStreamEvent)
ITEMS = TypeAdapter(Page[ThreadItem])
THREADS = TypeAdapter(Page[Thread])
ERROR = TypeAdapter(ErrorEvent)
PATH = "/support/chatkit"
LONGEST_WAIT = 60.0

T = TypeVar("T")


def said(text: str, **more: Any) -> dict[str, Any]:
    """What a user types."""
    part = {"type": "input_text", "text": text}
    return {"content": [part], "attachments": [], "inference_options": {}, **more}


def request(type: str, metadata: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"type": type, "params": params, **({"metadata": metadata} if metadata else {})}


def creating(text: str, **more: Any) -> dict[str, Any]:
    return request("threads.create", input=said(text), **more)


def adding(thread_id: str, text: str) -> dict[str, Any]:
    return request("threads.add_user_message", thread_id=thread_id, input=said(text))


class Heard:
    """The events of one answer, so far."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.events: list[ThreadStreamEvent] = []
        self._lines = lines

    def __iter__(self) -> Iterator[ThreadStreamEvent]:
        for line in self._lines:
            if line.startswith("data: "):
                self.events.append(EVENT.validate_json(line.removeprefix("data: ")))
                yield self.events[-1]

    def all(self) -> "Heard":
        for _ in self:
            pass
        return self

    def until(self, text: str) -> "Heard":
        for _ in self:
            if self.text.startswith(text):
                return self
        raise AssertionError(f"it ended with {self.text!r}")

    def until_event(self, type: str) -> "Heard":
        for event in self:
            if event.type == type:
                return self
        raise AssertionError(f"there was no {type}")

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def text(self) -> str:
        return "".join(
            event.update.delta
            for event in self.events
            if isinstance(event, ThreadItemUpdatedEvent)
            and isinstance(event.update, AssistantMessageContentPartTextDelta)
        )

    @property
    def thread_id(self) -> str:
        return next(event.thread.id for event in self.events if isinstance(event, ThreadCreatedEvent))

    @property
    def done(self) -> list[Any]:
        return [event.item for event in self.events if isinstance(event, ThreadItemDoneEvent)]

    @property
    def added(self) -> list[Any]:
        return [event.item for event in self.events if isinstance(event, ThreadItemAddedEvent)]

    @property
    def errors(self) -> list[ErrorEvent]:
        return [event for event in self.events if isinstance(event, ErrorEvent)]


class Widget:
    """One user's."""

    def __init__(self, client: httpx.Client, user_id: str = "ann", **headers: str) -> None:
        self.client = client
        self.user_id = user_id
        self.headers = {"X-User-Id": user_id, **headers}

    def strangers(self) -> "Widget":
        """Another user's."""
        return Widget(self.client, f"not {self.user_id}")

    def send(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return self.client.post(PATH, json=body, headers=self.headers | headers)

    def ask(self, type: str, **params: Any) -> Any:
        answer = self.send(request(type, **params))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def hear(self, body: dict[str, Any], **headers: str) -> Heard:
        """To the end."""
        answer = self.send(body, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream"), answer.text
        return Heard(iter(answer.text.splitlines())).all()

    @contextmanager
    def listen(self, body: dict[str, Any]) -> Iterator[Heard]:
        """As it comes; who leaves the block goes away."""
        with self.client.stream("POST", PATH, json=body, headers=self.headers) as answer:
            assert answer.status_code == 200, answer.read()
            yield Heard(answer.iter_lines())

    def create(self, text: str) -> str:
        return self.hear(creating(text)).thread_id

    def items(self, thread_id: str) -> list[Any]:
        answer = self.ask("items.list", thread_id=thread_id, order="asc", limit=1000)
        return list(ITEMS.validate_python(answer).data)

    def threads(self, **params: Any) -> list[Thread]:
        return list(THREADS.validate_python(self.ask("threads.list", **params)).data)

    def thread(self, thread_id: str) -> Thread:
        return Thread.model_validate(self.ask("threads.get_by_id", thread_id=thread_id))

    def lines(self, thread_id: str) -> list[str]:
        return [words(item) for item in self.items(thread_id)]

    def refused(self, body: dict[str, Any], **headers: str) -> tuple[int, str, bool]:
        answer = self.send(body, **headers)
        error = ERROR.validate_json(answer.content)
        assert error.message
        return answer.status_code, error.message, error.allow_retry

    def get(self, path: str, **params: Any) -> Any:
        """Of the other surfaces."""
        answer = self.client.get(path, params=params, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def widget_at(url: str, user_id: str = "ann") -> Iterator[Widget]:
    with httpx.Client(base_url=url, timeout=LONGEST_WAIT) as client:
        yield Widget(client, user_id)


def words(item: Any) -> str:
    if item.type in ("user_message", "assistant_message"):
        return "".join(part.text for part in item.content)
    return str(item.type)
