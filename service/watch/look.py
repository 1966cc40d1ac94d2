"""The newest look at the database: at most a second old, one at a time, and never waited for too long."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import psycopg
from msgspec import Struct

from domain.errors import Refusal
from projections.projection import Projection
from service.store.connections import Database
from service.watch.status import Status, status

log = logging.getLogger("hansard.watch")

FRESH: Final = 1.0
PATIENCE: Final = 2.0
"""How long a database may take to answer before it counts as one that does not."""
LONGEST_LOOK: Final = 10.0


class Sighting(Struct, frozen=True):
    """What was seen: the status, or why there is none."""

    status: Status | None
    failure: str = ""
    stalled: dict[str, float] = {}
    """For how many seconds a projection that is behind has not moved."""


SILENT: Final = Sighting(
    None, f"the database did not answer within {PATIENCE:g} s: see that PostgreSQL is well"
)


class Watch:
    """Belongs to one event loop. Looks only when it is asked to, each time over a connection of its own: a
    pool whose connections are all taken must not make a healthy database look ill."""

    def __init__(
        self,
        dsn: str | None,
        projections: Sequence[Projection],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dsn = dsn
        self._clock = clock
        self._projections = projections
        self._newest = SILENT
        self._looked_at = float("-inf")
        self._under_way: asyncio.Future[Sighting] | None = None
        self._moved: dict[str, tuple[int | None, float]] = {}
        """How far each projection was when it was first seen there, and when; None: it was not behind."""

    async def look(self) -> Sighting:
        if self._clock() - self._looked_at < FRESH:
            return self._newest
        if self._under_way is None:
            self._under_way = asyncio.get_running_loop().create_future()
            # Not of a pool of threads, which would wait for it at the end: a database may never answer.
            threading.Thread(target=self._run, args=[self._under_way], daemon=True).start()
        done, _ = await asyncio.wait([self._under_way], timeout=PATIENCE)
        return self._newest if done else SILENT

    def _run(self, asked: "asyncio.Future[Sighting]") -> None:
        seen = look_at(self._dsn, self._projections)
        try:
            asked.get_loop().call_soon_threadsafe(self._take, seen, asked)
        except RuntimeError:
            return  # nobody is there any more to be told

    def _take(self, seen: Sighting, asked: "asyncio.Future[Sighting]") -> None:
        now = self._clock()
        if seen.status is not None:
            seen = Sighting(seen.status, stalled=self._stalled(seen.status, now))
        self._newest, self._looked_at, self._under_way = seen, now, None
        asked.set_result(seen)

    def _stalled(self, status: Status, now: float) -> dict[str, float]:
        found = {}
        for each in status.projections:
            reached = each.applied if each.behind else None
            before, since = self._moved.get(each.name, (None, now))
            if reached is None or reached != before:
                since = now
            self._moved[each.name] = (reached, since)
            found[each.name] = now - since
        return found


def look_at(dsn: str | None, projections: Sequence[Projection]) -> Sighting:
    if dsn is None:
        return Sighting(None, "no HANSARD_DSN was given: hansard serve gives one")
    try:
        # Bounded, though whoever asks waits for less: a look that never ends would be the last one.
        database = Database.open(dsn)
        with database.connect("hansard watch", LONGEST_LOOK) as connection:
            return Sighting(status(connection, projections, database.topology))
    except Refusal as refusal:
        return Sighting(None, str(refusal))
    except psycopg.OperationalError:
        # Not in the server's own words: they name hosts and users, and whoever asks may be anybody.
        return Sighting(
            None, "the database cannot be reached: see that PostgreSQL runs, and that HANSARD_DSN is right"
        )
    except Exception as failed:
        log.exception("looking at the database failed")
        return Sighting(None, f"looking at the database failed ({type(failed).__name__}): see the log")
