"""A proxy before PostgreSQL that can cut a connection at its commit: before the server gets it, or after."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Cut = Literal["before", "after"]
COMMITTED = b"COMMIT\0"


class Proxy:
    """Between the programs that use its DSN and the server; each connection has two threads."""

    def __init__(self, dsn: str, folder: Path) -> None:
        given = conninfo_to_dict(dsn)
        port = given.get("port") or "5432"
        self._server = f"{given['host']}/.s.PGSQL.{port}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/.s.PGSQL.{port}")
        self._listener.listen()
        self.dsn = make_conninfo(dsn, host=str(folder))
        self.cut: Cut | None = None
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                answering = threading.Event()
                for run in (self._ask, self._answer):
                    threading.Thread(target=run, args=(client, server, answering), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, dropping: threading.Event) -> None:
        while data := receive(client):
            if self.cut and b"COMMIT" in data:
                cut, self.cut = self.cut, None
                self.cuts += 1
                if cut == "before":
                    break
                dropping.set()
            server.sendall(data)
        end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, dropping: threading.Event) -> None:
        """Once it is to drop the answer, it waits until the server says that the commit is done."""
        dropped = b""
        while data := receive(server):
            if not dropping.is_set():
                with suppress(OSError):
                    client.sendall(data)
                continue
            dropped += data
            if COMMITTED in dropped:
                break
        end(client, server)


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
