"""A proxy before PostgreSQL that can cut a connection at its commit: before the server gets it, or after; or
let one answer through, and be gone for everybody from then on; or say nothing more on what is connected."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Cut = Literal["before", "after"]
COMMITTED = b"COMMIT\0"


class LastWord(NamedTuple):
    """The answer after which nobody hears of the database any more."""

    of: bytes
    """The application whose it is."""
    asked: bytes
    answered: bytes


def commit_of(application: str) -> LastWord:
    return LastWord(b"application_name\0" + application.encode() + b"\0", b"COMMIT", COMMITTED)


FORGETTING_THE_DRAFT: Final = LastWord(
    b"application_name\0hansard reader\0", b"DELETE FROM drafts", b"DELETE 1\0"
)


COMMAND_FOUND: Final = LastWord(b"application_name\0hansard reader\0", b"AND command_id = $2", b"SELECT 1\0")


class Connected:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.dropping = threading.Event()
        """Its answers are not passed on any more."""
        self.last: LastWord | None = None
        """It has asked for what is to be the last word."""
        self.greeting = b""
        self.silent = threading.Event()
        """Nothing comes through, either way, and nobody is told."""


class Proxy:
    """Between the programs that use its DSN and the server; each connection has two threads."""

    def __init__(self, dsn: str, folder: Path) -> None:
        given = conninfo_to_dict(dsn)
        self._host, port = str(given["host"]), str(given.get("port") or "5432")
        self._port = int(port)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/.s.PGSQL.{port}")
        self._listener.listen()
        self.dsn = make_conninfo(dsn, host=str(folder))
        self.cut: Cut | None = None
        self.cuts = 0
        self._last_words: tuple[LastWord, ...] = ()
        self._unheard: bytes | None = None
        self.greetings: list[bytes] = []
        """What everybody who has connected began with."""
        self.gone = threading.Event()
        self._open: list[Connected] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for each in list(self._open):
            self._end(each)

    def leave_after(self, *last: LastWord) -> None:
        """Whoever waits for one of these answers gets it; everybody else is cut off before, and nobody comes
        in again until `come_back`."""
        self._last_words = last

    def come_back(self) -> None:
        self._last_words = ()
        self.gone.clear()

    def silence(self) -> None:
        """As after a failover whose old side is not there to say so: who comes anew is served."""
        for each in list(self._open):
            each.silent.set()

    def say_nothing_to(self, application: str) -> None:
        """Neither on what is connected nor on what comes anew, until it is to speak again."""
        self._unheard = b"application_name\0" + application.encode() + b"\0"
        for each in list(self._open):
            if self._unheard in each.greeting:
                each.silent.set()

    def speak(self) -> None:
        """To those who come anew."""
        self._unheard = None

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                connected = Connected(client, self._connect())
                self._open.append(connected)
                if self.gone.is_set():
                    self._end(connected)
                    continue
                for run in (self._ask, self._answer):
                    threading.Thread(target=run, args=(connected,), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server

    def _ask(self, connected: Connected) -> None:
        while data := receive(connected.client):
            if not connected.greeting:
                self.greetings.append(data)
            greeting = connected.greeting = connected.greeting or data
            if self._unheard is not None and self._unheard in greeting:
                connected.silent.set()
            if connected.silent.is_set():
                continue
            if self.cut and b"COMMIT" in data:
                cut, self.cut = self.cut, None
                self.cuts += 1
                if cut == "before":
                    break
                connected.dropping.set()
            for last in self._last_words:
                if last.of in greeting and last.asked in data:
                    connected.last = last
            try:
                connected.server.sendall(data)
            except OSError:
                break
        self._hang_up(connected)

    def _answer(self, connected: Connected) -> None:
        """Once it is to drop the answer, it waits until the server says that the commit is done."""
        dropped = b""
        while data := receive(connected.server):
            if connected.silent.is_set():
                continue
            leaves = connected.last is not None and connected.last.answered in data
            if leaves:
                self._leave(connected)
            if not connected.dropping.is_set():
                with suppress(OSError):
                    connected.client.sendall(data)
                if leaves:
                    break
                continue
            dropped += data
            if COMMITTED in dropped:
                break
        self._end(connected)

    def _leave(self, but: Connected) -> None:
        self.gone.set()
        for each in list(self._open):
            if each is not but:
                self._end(each)

    def _hang_up(self, connected: Connected) -> None:
        """Where nothing comes through, the server does not hear of it either."""
        if connected.silent.is_set():
            end(connected.client)
        else:
            self._end(connected)

    def _end(self, connected: Connected) -> None:
        end(connected.client, connected.server)
        with suppress(ValueError):
            self._open.remove(connected)


def receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


def end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def proxied(dsn: str) -> Iterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="hansard-proxy-") as folder:
        proxy = Proxy(dsn, Path(folder))
        try:
            yield proxy
        finally:
            proxy.close()
