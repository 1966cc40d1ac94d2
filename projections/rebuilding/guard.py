"""One replay of a projection at a time, and who it is that runs it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from projections.errors import ReplayIsRunning
from projections.projection import Projection

LOCK: Final = "SELECT pg_try_advisory_lock(%(ours)s::integer, %(key)s::integer)"
UNLOCK: Final = "SELECT pg_advisory_unlock(%(ours)s::integer, %(key)s::integer)"
OURS: Final = 0x68616E73  # "hans"

HOLDER: Final = """
    SELECT a.pid, host(a.client_addr) AS address, a.backend_start AS since
    FROM pg_locks AS l
    JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid = %(ours)s::bigint::oid AND l.objid = (%(key)s::bigint & 4294967295)::oid
"""


class GuardHolder(Struct, frozen=True):
    pid: int
    address: str | None
    since: datetime | None


@contextmanager
def guarded(connection: Connection[Any], projections: Iterable[Projection]) -> Iterator[None]:
    """Held by the connection, not by a transaction: one that was open for so long would keep the database
    from cleaning up. If the process is killed, the guard goes with its connection."""
    held = list[dict[str, int]]()
    try:
        for projection in projections:
            given = {"ours": OURS, "key": key_of(projection)}
            row = connection.execute(LOCK, given).fetchone()
            if row is None or not row[0]:
                raise ReplayIsRunning(projection=projection.name, holder=holder(connection, given))
            held.append(given)
        yield
    finally:
        if not connection.closed:
            for given in held:
                connection.execute(UNLOCK, given)


def key_of(projection: Projection) -> int:
    """PostgreSQL's integers have a sign."""
    return crc32(projection.name.encode()) - 2**31


def holder(connection: Connection[Any], given: dict[str, int]) -> str:
    with connection.cursor(row_factory=class_row(GuardHolder)) as cursor:
        found = cursor.execute(HOLDER, given).fetchone()
    if found is None:
        return "another connection"
    place = f" from {found.address}" if found.address else ""
    since = f", since {found.since:%Y-%m-%d %H:%M:%S %Z}" if found.since else ""
    return f"the connection of PostgreSQL's process {found.pid}{place}{since}"
