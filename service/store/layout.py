"""Which shards lie together, which nobody changes under a process that appends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection

from domain.errors import Refusal
from service.store.advisory import trying

KEY: Final = 0x6C61796F7574  # "layout"

LANES: Final = "SELECT array_agg(shard ORDER BY shard) AS shards FROM layout GROUP BY lane ORDER BY 1"
HOLD: Final = "SELECT pg_advisory_lock_shared(%(key)s)"
OTHERS: Final = """
SELECT DISTINCT application_name || COALESCE(' from ' || host(client_addr), '') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'hansard%%'
ORDER BY 1"""

Lanes = list[list[int]]


class LayoutInUse(Refusal):
    """The shards cannot be laid out anew while others work on them: stop every process of Hansard first.
    Connected are {others}"""


class LayoutChanged(psycopg.OperationalError):
    """Nothing can be appended by a process that began with another layout."""

    def __init__(self) -> None:
        super().__init__("the shards were laid out anew: this process has to attach to the database again")


def lanes(connection: Connection[Any]) -> Lanes:
    """The shards that lie together; whoever appends to one of them locks the first one's row in `lanes`."""
    return [shards for (shards,) in connection.execute(LANES)]


def hold(connection: Connection[Any], known: Lanes) -> None:
    """For as long as it is connected. Two processes that lay the shards out differently would lock different
    rows before they append to one shard."""
    connection.execute(HOLD, {"key": KEY})
    if lanes(connection) != known:
        raise LayoutChanged


@contextmanager
def held_by_nobody(connection: Connection[Any]) -> Iterator[None]:
    """Refused while anybody appends or replays; who connects meanwhile waits before it appends."""
    with trying(connection, KEY) as is_free:
        others = [name for (name,) in connection.execute(OTHERS)]
        if others or not is_free:
            raise LayoutInUse(others=", ".join(others) or "writers")
        yield
