"""How much of the processors this process, those that it started, and its PostgreSQL have used."""

import os
from typing import Any, Self

import psutil
from msgspec import Struct
from psycopg import Connection


class ServerElsewhere(Exception):
    """The PostgreSQL is not on this machine, so nobody here can see what it uses."""


class ProcessorTime(Struct, frozen=True):
    """Seconds of one processor."""

    python: float
    postgres: float

    def __sub__(self, before: Self) -> "ProcessorTime":
        return ProcessorTime(self.python - before.python, self.postgres - before.postgres)

    def __truediv__(self, count: int) -> "ProcessorTime":
        return ProcessorTime(self.python / count, self.postgres / count)

    @property
    def together(self) -> float:
        return self.python + self.postgres


class Processors:
    """Of a server on this machine, found as the parent of one of its sessions."""

    def __init__(self, connection: Connection[Any]) -> None:
        pid = connection.info.backend_pid
        session = psutil.Process(pid) if psutil.pid_exists(pid) else None
        server = session.parent() if session and session.name().startswith("postgres") else None
        if server is None:
            raise ServerElsewhere(ServerElsewhere.__doc__)
        self._server = server

    def used(self) -> ProcessorTime:
        """Of processes that were started here, those that have ended."""
        return ProcessorTime(
            sum(os.times()[:4]), sum(map(seconds_of, [self._server, *self._server.children()]))
        )


def seconds_of(process: psutil.Process) -> float:
    """With those of its children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + ended)
