"""A model behind HTTP that does as a test says: real sockets, and barriers instead of sleeps.

model.answers("Once ", hold, "upon a time.")   # says the first words, then waits until hold.go()
model.answers(Status(429))
model.answers("Once ", CUT)
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONGEST_WAIT = 60.0
TOKENS = 42


class Hold:
    """Where an answer waits: `reached` tells the test, `go` lets the answer on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._go = threading.Event()

    def reached(self) -> None:
        assert self._reached.wait(LONGEST_WAIT), "the model was not asked, or did not come so far"

    def go(self) -> None:
        self._go.set()

    def wait(self) -> None:
        self._reached.set()
        self._go.wait(LONGEST_WAIT)


@dataclass(frozen=True)
class Status:
    """The endpoint refuses."""

    code: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Garbage:
    """What is no chat completion."""

    body: bytes
    content_type: str = "text/event-stream"


@dataclass(frozen=True)
class Whole:
    """The endpoint does not stream, whatever it is asked."""

    text: str


@dataclass(frozen=True)
class Raw:
    """One event of the stream, as it is sent."""

    data: str


@dataclass(frozen=True)
class Output:
    """What a model of the Responses API puts out: messages, calls of tools, reasoning."""

    items: tuple[dict[str, Any], ...]


class Cut:
    """The stream ends before the answer does."""


class Reset:
    """The connection breaks."""


CUT, RESET = Cut(), Reset()
Step = str | Hold | Status | Garbage | Whole | Raw | Output | Cut | Reset


def certainly(asked: dict[str, Any]) -> tuple[Step, ...]:
    return ("Certainly.",)


class Model:
    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.otherwise: Callable[[dict[str, Any]], tuple[Step, ...]] = certainly
        """What is answered without a script."""
        self._answers: deque[tuple[Step, ...]] = deque()
        self._lock = threading.Lock()

    def answers(self, *steps: Step) -> None:
        """The next request is answered so; without a script the answer is short."""
        self._answers.append(steps)

    def forget(self) -> None:
        """What was scripted and heard so far was another test's."""
        with self._lock:
            for each in (self.asked, self.keys, self._answers):
                each.clear()

    def take(self, asked: dict[str, Any], key: str | None) -> tuple[Step, ...]:
        with self._lock:
            self.asked.append(asked)
            self.keys.append(key)
            return self._answers.popleft() if self._answers else self.otherwise(asked)

    def environ(self, **more: str) -> dict[str, str]:
        """The settings of a service that asks this model."""
        return {
            "HANSARD_RESPONDER": "openai",
            "HANSARD_OPENAI_BASE_URL": self.url,
            "HANSARD_OPENAI_MODEL": "scripted",
            "HANSARD_RESPONDER_RETRIES": "0",
        } | more

    def heard(self, request: int = -1) -> list[tuple[str, str]]:
        """Who said what, as a request told it."""
        return [(each["role"], each["content"]) for each in self.asked[request]["messages"]]


class Answering(BaseHTTPRequestHandler):
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(BrokenPipeError, ConnectionResetError):  # the service does not want to hear the rest
            self.play(self.server.model.take(json.loads(body), self.headers["Authorization"]))

    def play(self, steps: tuple[Step, ...]) -> None:
        streams = False
        for step in steps:
            match step:
                case Status():
                    return self.whole(step.code, "application/json", b'{"error": {"message": "no"}}', step)
                case Garbage():
                    return self.whole(200, step.content_type, step.body)
                case Whole():
                    choice = {"index": 0, "message": message(step.text), "finish_reason": "stop"}
                    told = completion("chat.completion", [choice]) | {"usage": {"total_tokens": TOKENS}}
                    return self.whole(200, "application/json", json.dumps(told).encode())
                case Output():
                    return self.whole(200, "application/json", json.dumps(responded(step)).encode())
                case Hold():
                    step.wait()
                case Cut():
                    return None
                case Reset():
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return None
                case _:
                    if not streams:
                        self.begin(200, "text/event-stream")
                        streams = True
                    self.event(step.data if isinstance(step, Raw) else delta(step))
        if not streams:
            self.begin(200, "text/event-stream")
        self.event(json.dumps(chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])))
        self.event(json.dumps(chunk([]) | {"usage": {"total_tokens": TOKENS}}))
        return self.event("[DONE]")

    def whole(self, code: int, content_type: str, body: bytes, status: Status | None = None) -> None:
        self.begin(code, content_type, status.headers if status else ())
        self.wfile.write(body)

    def begin(self, code: int, content_type: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100
    model: Model

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def scripted() -> Iterator[Model]:
    with Server(("127.0.0.1", 0), Answering) as server:
        server.model = Model(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.model
        finally:
            server.shutdown()
            thread.join()


def delta(text: str) -> str:
    return json.dumps(chunk([{"index": 0, "delta": {"content": text}, "finish_reason": None}]))


def chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return completion("chat.completion.chunk", choices)


def completion(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "c1", "object": kind, "created": 1, "model": "scripted", "choices": choices}


def message(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def responded(output: Output) -> dict[str, Any]:
    usage = {"input_tokens": 40, "output_tokens": 2, "total_tokens": TOKENS}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "scripted",
        "output": list(output.items),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage | details,
    }
