"""Reads are put on record in every lane that can be reached, and in the others once they can."""

import asyncio
from datetime import UTC, datetime

from service.audit.reads import Read
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.ids import new_id
from tests.outage import lie_apart, one_lane_down
from tests.service.store.appending import rows

ON_RECORD = "SELECT shard, count(*) FROM reads GROUP BY 1 ORDER BY 1"
WELL, CUT_OFF = 0, 1


def read(shard: int) -> Read:
    return Read(shard, new_id(), "ann", None, "auditor", "GET /api/audit", None, datetime.now(UTC))


def record(hansard: Hansard, number: int) -> None:
    for _ in range(number):
        for shard in (CUT_OFF, WELL):
            hansard.reads.record_soon(read(shard))


async def test_what_waits_for_one_lane_keeps_no_other_waiting(dsn: str) -> None:
    lie_apart(dsn)
    async with running(Settings(), dsn) as hansard:
        with one_lane_down(dsn):
            record(hansard, 3)
            await hansard.reads.record(read(WELL))
            assert rows(dsn, ON_RECORD) == [(WELL, 4)]
        async with asyncio.timeout(30):
            while rows(dsn, ON_RECORD) != [(WELL, 4), (CUT_OFF, 3)]:  # noqa: ASYNC110 - the database sets no event
                await asyncio.sleep(0.05)
