"""What was appended in each minute of the last day, by all processes, and how long appends took.

The log has no index by time, and what was imported a minute ago may be years old. So each process counts what
it appends, and every other second writes its counts of the minute over those that it wrote before: writing
them twice changes nothing, and a process that is killed takes two seconds of its counts with it.
"""

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from msgspec import Struct, field
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from service.repeating import Repeating
from service.store.append import Append, Appended
from service.store.ids import new_id
from service.store.observer import Look, Observer
from service.store.past import ADDED

log = logging.getLogger("hansard.activity")

WRITE_EVERY: Final = 2.0
FAILED: Final = "what was counted could not be written"
AWAY: Final = (psycopg.OperationalError, PoolTimeout)
"""Then it is written when the database is back."""
KEPT: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)

EDGES: Final = tuple(0.0005 * 1.25**step for step in range(47))
"""Seconds, from half a millisecond to 14 s: a latency is known to a quarter of itself."""

WRITE: Final = """
INSERT INTO activity (minute, process_id, messages, events, appends, latencies)
VALUES (%(minute)s, %(process_id)s, %(messages)s, %(events)s, %(appends)s, %(latencies)s)
ON CONFLICT (minute, process_id) DO UPDATE SET messages = excluded.messages, events = excluded.events,
    appends = excluded.appends, latencies = excluded.latencies"""
FORGET: Final = "DELETE FROM activity WHERE minute < %(before)s"
SINCE: Final = """
SELECT minute, messages, events, appends, latencies FROM activity WHERE minute >= %(since)s"""


class Counted(Struct):
    """What was appended in one minute."""

    minute: datetime
    messages: int = 0
    events: int = 0
    appends: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    """How many took as long as each edge, or less and more than the one before; the last: longer than all."""

    def count(self, append: Append, seconds: float) -> None:
        stored = [each for part in append.parts for each in part.events]
        self.events += len(stored)
        self.messages += sum(each.topic in ADDED and each.recorded_at is None for each in stored)
        self.appends += 1
        self.latencies[bisect_left(EDGES, seconds)] += 1

    def add(self, other: "Counted") -> None:
        self.messages += other.messages
        self.events += other.events
        self.appends += other.appends
        self.latencies = [a + b for a, b in zip(self.latencies, other.latencies, strict=True)]

    def seconds(self, share: float) -> float | None:
        """Within which this share of the appends was answered; None where there was none."""
        wanted, before = share * self.appends, 0
        for number, (lower, upper) in zip(self.latencies, edges(), strict=True):
            if number and before + number >= wanted:
                return lower + (upper - lower) * (wanted - before) / number
            before += number
        return None


class ActivityCounter(Observer):
    """Counts beside another observer. The writer's thread counts, the event loop writes."""

    def __init__(self, pool: AsyncConnectionPool[Any], observer: Observer | None = None) -> None:
        self._pool = pool
        self._observer = observer or Observer()
        self._process_id = new_id()
        self._lock = threading.Lock()
        self._counted: dict[datetime, Counted] = {}
        """Of the minutes that are not written to their end."""
        self._written: dict[datetime, int] = {}
        self._forgot_at = datetime.min.replace(tzinfo=UTC)
        self._writing = Repeating(self.write, WRITE_EVERY, log, FAILED, passing=AWAY, rest_first=True)

    def stored(self, events: int, seconds: float) -> None:
        self._observer.stored(events, seconds)

    def looked(self, how: Look) -> None:
        self._observer.looked(how)

    def answered(self, appends: Sequence[Append]) -> None:
        self._observer.answered(appends)
        now, minute = time.monotonic(), this_minute()
        with self._lock:
            counted = self._counted.setdefault(minute, Counted(minute))
            for append in appends:
                if isinstance(append.outcome, Appended) and not append.outcome.repeated:
                    counted.count(append, now - append.asked_at)

    def start(self) -> None:
        self._writing.start()

    async def close(self) -> None:
        await self._writing.close()
        with suppress(psycopg.Error, PoolTimeout):
            await self.write()

    async def minutes(self, number: int) -> list[Counted]:
        """The last so many, the one that is not over yet included, in order and without a gap."""
        await self.write()
        now = this_minute()
        found = {now - MINUTE * back: Counted(now - MINUTE * back) for back in reversed(range(number))}
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Counted))
            await cursor.execute(SINCE, {"since": min(found)})
            async for each in cursor:
                if (minute := each.minute.astimezone(UTC)) in found:
                    found[minute].add(each)
        return list(found.values())

    async def write(self) -> None:
        """What has changed since it was last written."""
        with self._lock:
            changed = [
                (each.appends, row_of(each))
                for minute, each in self._counted.items()
                if each.appends != self._written.get(minute, 0)
            ]
        if changed:
            async with self._pool.connection() as connection:
                for appends, row in changed:
                    await connection.execute(WRITE, row | {"process_id": self._process_id})
                    self._written[row["minute"]] = appends
        await self._forget()

    async def _forget(self) -> None:
        """Minutes that are over and written, here; and once in a while the day before, in the database."""
        now = this_minute()
        with self._lock:
            for minute, each in list(self._counted.items()):
                over = minute < now and each.appends == self._written.get(minute, 0)
                if over or minute < now - KEPT:
                    del self._counted[minute]
                    self._written.pop(minute, None)
        if now - self._forgot_at >= KEPT / 24:
            async with self._pool.connection() as connection:
                await connection.execute(FORGET, {"before": now - KEPT})
            self._forgot_at = now


def this_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


def edges() -> Iterator[tuple[float, float]]:
    yield from zip((0.0, *EDGES), (*EDGES, EDGES[-1]), strict=True)


def row_of(counted: Counted) -> dict[str, Any]:
    return {
        "minute": counted.minute,
        "messages": counted.messages,
        "events": counted.events,
        "appends": counted.appends,
        "latencies": list(counted.latencies),
    }
