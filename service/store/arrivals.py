"""Appends that wait for the writer, and how many of them it takes at once."""

import threading
import time
from collections import deque
from typing import Final

from service.store.append import Append
from service.store.errors import StoreIsBusy, StoreIsClosed

BATCH_EVENTS: Final = 1_000
BATCH_BYTES: Final = 1_000_000
LONGEST_GATHER: Final = 0.002


class Arrivals:
    """A bounded queue: many put, one takes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Append] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._usual = 1
        self._pause = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, append: Append) -> None:
        append.asked_at = time.monotonic()
        with self._changed:
            if self._closed:
                raise StoreIsClosed
            if len(self._waiting) >= self._limit:
                raise StoreIsBusy(waiting=len(self._waiting), retry_after=1)
            self._waiting.append(append)
            if len(self._waiting) == 1 or len(self._waiting) >= self._usual:
                self._changed.notify()

    def close(self) -> None:
        """What was put before is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self, idle: float | None) -> list[Append] | None:
        """The next batch; none if nothing comes while `idle` lasts; None once it is closed and empty."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(idle)
            if not self._waiting:
                return None if self._closed else []
            self._gather()
            batch = [self._waiting.popleft()]
            events, size = len(batch[0].events), batch[0].size
            while self._waiting and events < BATCH_EVENTS and size < BATCH_BYTES:
                append = self._waiting.popleft()
                events, size = events + len(append.events), size + append.size
                batch.append(append)
            return batch

    def _gather(self) -> None:
        """Those that were answered together tend to come back together: they are waited for, a little."""
        enough = time.monotonic() + self._pause
        while len(self._waiting) < self._usual and (left := enough - time.monotonic()) > 0:
            if not self._changed.wait(left):
                break

    def stored(self, size: int, seconds: float) -> None:
        """So many appends took so long: the measure of how many to wait for next, and for how long."""
        self._usual, self._pause = size, min(LONGEST_GATHER, seconds / 2)

    def oldest(self) -> float | None:
        """When the one that waits for longest was asked for."""
        with self._changed:
            return self._waiting[0].asked_at if self._waiting else None

    def overdue(self, asked_before: float) -> list[Append]:
        """Takes out those that were asked for so long ago."""
        gone = []
        with self._changed:
            while self._waiting and self._waiting[0].asked_at <= asked_before:
                gone.append(self._waiting.popleft())
        return gone
