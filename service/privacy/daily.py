"""Sees to retention once a day, in one process at a time, for as long as the service runs."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.types.json import Json

from domain.retention import Retention
from service.hansard import Hansard
from service.privacy.lock import if_alone_with
from service.privacy.retention import RetentionReport, retain
from service.repeating import Repeating

log = logging.getLogger("hansard.retention")

DAY: Final = timedelta(days=1)
LOOK_EVERY: Final = 60.0
"""About so many seconds: each process at other moments than the others."""
ENDING: Final = 5.0
"""Seconds that what is being done has when the service stops; what is cut off then is finished later."""
FAILED: Final = "retention was cut off; it is tried again"

BEGUN_NEAR: Final = """
SELECT EXISTS (SELECT FROM retention_runs WHERE begun_at > %(since)s AND begun_at < %(until)s)"""
"""Clocks of several machines differ a little; one that was a year ahead must not put it off for a year."""
RECORD: Final = """
INSERT INTO retention_runs (begun_at, finished_at, counts) VALUES (%(begun_at)s, %(finished_at)s, %(counts)s)
ON CONFLICT (begun_at) DO NOTHING"""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Daily:
    """The lock only saves work: two that did it at once would still do each conversation once."""

    def __init__(
        self,
        hansard: Hansard,
        retention: Retention,
        *,
        clock: Callable[[], datetime] = utc_now,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self._hansard = hansard
        self._retention = retention
        self._clock = clock
        self._looking = Repeating(self.look, look_every, log, FAILED, spread=0.5, patience=ENDING)

    def start(self) -> None:
        if self._retention.says_anything:
            self._looking.start()

    async def close(self) -> None:
        await self._looking.close()

    async def look(self) -> RetentionReport | None:
        """Runs if that is due and nobody else is at it."""
        now = self._clock()
        async with self._hansard.pool.connection() as connection:
            if await has_run(connection, now):
                return None
        async with if_alone_with(self._hansard.database, b"retention") as alone:
            if alone is None or await has_run(alone, now):
                return None
            report = await retain(self._hansard, self._retention, now, stopping=self._looking.closing.is_set)
            if report.is_whole:
                await record(alone, now, self._clock(), report)
        tell(report)
        return report


async def has_run(connection: AsyncConnection[Any], now: datetime) -> bool:
    given = {"since": now - DAY, "until": now + DAY}
    row = await (await connection.execute(BEGUN_NEAR, given)).fetchone()
    return bool(row and row[0])


async def record(
    connection: AsyncConnection[Any], begun: datetime, finished: datetime, report: RetentionReport
) -> None:
    given = {"begun_at": begun, "finished_at": finished, "counts": Json(report.counts())}
    await connection.execute(RECORD, given)


def tell(report: RetentionReport) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in report.counts().items())
    level = logging.WARNING if report.failed or not report.is_whole else logging.INFO
    if report.waiting:
        counts += f", {report.waiting} wait for a replay"
    if report.unread:
        counts += f", {report.unread} shards were not looked through: the list is behind, or they are away"
    log.log(level, "retention: %s%s", counts, "" if report.is_whole else "; it goes on later")
