"""What a killed process leaves to the database takes it a moment to notice."""

import asyncio

from service.privacy.lock import OURS
from tests.listening import eventually
from tests.service.store.appending import rows

HELD = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s::integer::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


async def until_nobody_is_at_it(dsn: str) -> None:
    """Whoever finishes what was cut off leaves alone what somebody is at."""
    await asyncio.to_thread(eventually, lambda: rows(dsn, HELD, OURS) == [(0,)])
