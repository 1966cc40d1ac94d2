"""A proxy between the page and the service, which can keep the end of an answer back, and be away."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.proxy import end, receive


class Between:
    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._service = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_away = False
        self._kept = b""
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def keep_back(self, what: bytes) -> None:
        """From here on an answer that holds this goes on to the page until there, and no further."""
        self._kept = what

    def go_away(self) -> None:
        """As a server that has gone: every connection breaks off, and no new one comes about."""
        with self._lock:
            self._is_away = True
            end(*self._sockets)
            self._sockets.clear()

    def come_back(self) -> None:
        with self._lock:
            self._is_away = False
            self._kept = b""

    def close(self) -> None:
        self._listener.close()
        self.go_away()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                page, _ = self._listener.accept()
                with self._lock:
                    if self._is_away:
                        end(page)
                        continue
                    service = socket.create_connection(self._service)
                    self._sockets |= {page, service}
                for run, each in ((self._ask, (page, service)), (self._answer, (service, page))):
                    threading.Thread(target=run, args=each, daemon=True).start()

    def _ask(self, page: socket.socket, service: socket.socket) -> None:
        with suppress(OSError):
            while data := receive(page):
                service.sendall(data)
        end(page, service)

    def _answer(self, service: socket.socket, page: socket.socket) -> None:
        unsent, is_kept = b"", False
        with suppress(OSError):
            while data := receive(service):
                if is_kept:
                    continue
                known, kept, _ = (
                    (unsent + data).partition(self._kept) if self._kept else (unsent + data, b"", b"")
                )
                is_kept = bool(kept)
                unsent = b"" if kept else begun(known, self._kept)
                page.sendall(known.removesuffix(unsent))
        end(page, service)


def begun(data: bytes, what: bytes) -> bytes:
    """So much of it as the data end with."""
    lengths = range(len(what) - 1, 0, -1)
    return next((what[:length] for length in lengths if data.endswith(what[:length])), b"")


@contextmanager
def between(url: str) -> Iterator[Between]:
    proxy = Between(url)
    try:
        yield proxy
    finally:
        proxy.close()
