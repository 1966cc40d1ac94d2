"""What wakes a thread that waits for new events: its own process, another one, or the clock."""

import os
import select
import threading
import time
from collections.abc import Container
from typing import Any, Final

from psycopg import Connection

CHANNEL: Final = "hansard_appended"
"""Its notifications say in which shards."""
EVERY: Final = range(2**15)


class Wake:
    """Set by any thread after a commit; waited for together with a database connection.

    Setting it again before it is cleared costs nothing: the look at the log that follows sees both commits.
    """

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        self._set = False
        self._lock = threading.Lock()

    def set(self) -> None:
        if self._set:
            return
        with self._lock:
            if not self._set:
                self._set = True
                os.write(self._in, b"\0")

    def clear(self) -> None:
        with self._lock:
            if self._set:
                os.read(self._out, 1)
                self._set = False

    def wait(
        self, seconds: float, connection: Connection[Any] | None = None, shards: Container[int] = EVERY
    ) -> None:
        """Until it is set, the connection has a notification of one of the shards, or the time is up."""
        until = time.monotonic() + seconds
        watched = [self._out] if connection is None else [self._out, connection.fileno()]
        while True:
            ready, _, _ = select.select(watched, [], [], max(0.0, until - time.monotonic()))
            heard = False
            if connection is not None and connection.fileno() in ready:
                come = list(connection.notifies(timeout=0))  # raises if the connection is lost
                heard = any(is_about(each.payload, shards) for each in come)
            if heard or self._out in ready or not ready:
                return

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)


def is_about(payload: str, shards: Container[int]) -> bool:
    """One that names no shards may be about any."""
    return not payload or any(int(shard) in shards for shard in payload.split(","))
