"""Knocks at a service's door with bytes of one's own, as a careless client or an attacker would."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.serving import Service

LONGEST_WAIT = 30.0


class Knock:
    """One connection, what is sent over it, and what comes back."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.connection = connection
        self.host = host
        self.came = b""

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def ask(self, line: str, *headers: str, body: bytes = b"") -> None:
        self.send("\r\n".join([f"{line} HTTP/1.1", f"Host: {self.host}", *headers, "", ""]).encode() + body)

    def until(self, text: bytes) -> bytes:
        """All that came, once this is in it."""
        while text not in self.came:
            more = self.connection.recv(65_536)
            if not more:
                raise ConnectionError(f"it ended with {self.came!r}")
            self.came += more
        return self.came

    def end(self) -> bytes:
        """All that came until the other side closed."""
        while more := self.connection.recv(65_536):
            self.came += more
        return self.came

    @property
    def status(self) -> int:
        return int(self.until(b"\r\n\r\n").split()[1])

    @property
    def problem(self) -> tuple[int, str]:
        self.until(b"}")
        told = json.loads(self.came[self.came.index(b"{") :])
        return self.status, told["type"]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.until(b"\r\n\r\n").partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@contextmanager
def knocking(service: Service) -> Iterator[Knock]:
    with crowd(service, 1) as (one,):
        yield one


@contextmanager
def crowd(service: Service, number: int) -> Iterator[list[Knock]]:
    """So many connections at once."""
    place = service.url.removeprefix("http://")
    host, port = place.split(":")
    with ExitStack() as stack:
        yield [
            Knock(stack.enter_context(socket.create_connection((host, int(port)), LONGEST_WAIT)), place)
            for _ in range(number)
        ]


def announcing(size: int, *headers: str) -> tuple[str, ...]:
    """The headers of a body of JSON that is to come."""
    return "Content-Type: application/json", f"Content-Length: {size}", "X-User-Id: ann", *headers


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
