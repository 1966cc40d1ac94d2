"""What wakes a thread that waits for new events: its own process, another one, or the clock."""

import os
import select
import threading
from typing import Any, Final

from psycopg import Connection

CHANNEL: Final = "hansard_appended"


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

    def wait(self, seconds: float, connection: Connection[Any] | None = None) -> None:
        """Until it is set, the connection has a notification, or the time is up."""
        watched = [self._out] if connection is None else [self._out, connection.fileno()]
        ready, _, _ = select.select(watched, [], [], seconds)
        if connection is not None and connection.fileno() in ready:
            for _ in connection.notifies(timeout=0):  # reads them all, and raises if the connection is lost
                pass

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)
