"""How far a replay has come, and when it will be done."""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

SMOOTHING: Final = 5.0
"""The speed that is shown is that of about the last so many seconds."""
TELL_EVERY: Final = 0.2


class Progress(Struct, frozen=True):
    stage: str
    """What is being done, in a word or two."""
    done: int
    total: int
    per_second: float
    seconds_left: float | None


Report = Callable[[Progress], None]


class Meter:
    """Counts events and knows their speed."""

    def __init__(self, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._stage = ""
        self._done = self._total = 0
        self._speed = 0.0
        self._since = clock()
        self._counted = 0

    def begin(self, stage: str, total: int = 0) -> None:
        """A stage without events of its own has no total."""
        self._stage, self._done, self._total = stage, 0, total
        self._since, self._counted, self._speed = self._clock(), 0, 0.0
        self._tell()

    def count(self, events: int) -> None:
        """A negative number takes back what has to be done again."""
        self._done += events
        self._counted += events
        elapsed = self._clock() - self._since
        if elapsed >= TELL_EVERY:
            speed = self._counted / max(elapsed, 0.001)
            weight = min(1.0, elapsed / SMOOTHING) if self._speed else 1.0
            self._speed += (speed - self._speed) * weight
            self._since, self._counted = self._clock(), 0
            self._tell()

    def _tell(self) -> None:
        left = max(0, self._total - self._done)
        seconds = left / self._speed if self._speed > 0 else None
        self._report(Progress(self._stage, self._done, max(self._total, self._done), self._speed, seconds))
