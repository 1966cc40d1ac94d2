"""Notices that the log was restored from an older backup under a running process: it holds less than the
process has seen, or somebody has said so."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection, errors
from psycopg_pool import PoolTimeout

from domain.recorded import Recorded
from projections.rows.silence import is_part_away
from service.repeating import Repeating
from service.store.connections import Database
from service.store.incarnation import Incarnation, begin_another, current
from service.store.layout import Lanes, lanes
from service.store.log import heads_of

log = logging.getLogger("hansard.restore")

LOOK_EVERY: Final = 1.0
PATIENCE: Final = 5.0
"""Seconds for the database's answer."""
REASON: Final = "the log held less than a running process had seen"
AWAY: Final = (psycopg.OperationalError, PoolTimeout)


class SeenHeads:
    """Up to where a process has seen each shard."""

    def __init__(self) -> None:
        self._heads: dict[int, int] = {}

    def take(self, events: Sequence[Recorded]) -> None:
        """Called by the thread that has stored them."""
        for each in events:
            self._heads[each.shard] = max(self._heads.get(each.shard, 0), each.position)

    def check(self, connection: Connection[Any], lane: Sequence[int]) -> None:
        """Of the shards of one lane. Before anything is appended to it on a connection that was just made,
        too: appends would soon hide it."""
        if self._is_less_on(connection, lane):
            begun = begin_another(connection, current(connection), REASON)
            log.warning("the log is shorter than it was: incarnation %d begins", begun.number)

    def _is_less_on(self, connection: Connection[Any], lane: Sequence[int]) -> bool:
        """Whether anything of what was seen before this look is gone."""
        before = {shard: self._heads.get(shard, 0) for shard in lane}
        heads = heads_of(connection, lane)
        if any(heads.get(shard, 0) < position for shard, position in before.items()):
            return True
        for shard, position in heads.items():
            self._heads[shard] = max(self._heads.get(shard, 0), position)
        return False


class RestoreWatch:
    """Notices also that the shards were laid out anew: a process that began before is to attach once more."""

    def __init__(self, database: Database, known: Incarnation, layout: Lanes, seen: SeenHeads) -> None:
        self.restored = asyncio.Event()
        self.why = "it was restored from a backup just now"
        self.has_begun = False
        """Another incarnation, so that nothing of what was seen before counts any more."""
        self._database = database
        self._known = known
        self._layout = layout
        self._seen = seen
        self._connection: Connection[Any] | None = None
        self._lock = threading.Lock()
        self._looking = Repeating(
            self._look, LOOK_EVERY, log, "whether the log was restored cannot be seen", passing=AWAY
        )

    def start(self) -> None:
        self._looking.start()

    async def close(self) -> None:
        await self._looking.close()
        await asyncio.to_thread(self._give_up)

    async def _look(self) -> None:
        if not self.restored.is_set() and await asyncio.to_thread(self._is_restored):
            self.restored.set()

    def _is_restored(self) -> bool:
        """On a connection of its own, which is made anew when the database was away."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._database.connect("hansard restore watch", PATIENCE)
                if lanes(self._connection) != self._layout:
                    self.why = "its shards were laid out anew just now"
                    return True
                for lane in self._layout:
                    self._look_at(self._connection, lane)
                self.has_begun = current(self._connection).tag != self._known.tag
                return self.has_begun
            except errors.UndefinedTable:
                return True  # the backup is of an older version, and has to be migrated first
            except psycopg.OperationalError:
                self._close()
                raise

    def _look_at(self, connection: Connection[Any], lane: Sequence[int]) -> None:
        """One that cannot be reached says nothing of the others; its writer looks before it appends again."""
        try:
            self._seen.check(connection, lane)
        except psycopg.OperationalError as away:
            if not is_part_away(connection, away):
                raise
            log.debug("the lane of shard %d cannot be looked at: %s", lane[0], away)

    def _give_up(self) -> None:
        """Once a look that is under way has ended: it goes on in its thread when its task is cancelled."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
