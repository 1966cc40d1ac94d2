"""Everything that one process runs on the log, wired together: for the web application, and for any other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct
from psycopg import AsyncConnection, Connection

from domain.content import Limits
from domain.recorded import Recorded
from projections.conversations import Conversations
from projections.following.follower import Follower
from projections.generations import install
from projections.history import History
from projections.projection import Projection
from projections.reading.apart import LaneConnections
from projections.reading.view import Headway, View, configure
from projections.rows.silence import PatientAsyncConnection, PatientPool
from projections.search import Search
from projections.usage import Usage
from service.audit.reads import Reads
from service.replay.jobs import ReplayJobs
from service.replies.replies import Replies
from service.responder import Responder
from service.settings.settings import Settings, taggers_of
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.migrations import MigrationReport, migrate
from service.store.names import Names
from service.store.observer import Observer
from service.store.patience import StorePatience, milliseconds
from service.store.reach import Reach
from service.store.repository import Repository
from service.store.shrinking import SeenHeads
from service.store.store import Store
from service.store.tail import Tail
from service.store.topology.distribution import Distribution
from service.watch.activity import ActivityCounter

ERASURES_AT_ONCE: Final = 4
"""Each has a connection of its own, beside the pool's."""


class Hansard:
    """Made in an event loop, which its reads and commands then belong to."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        observer: Observer | None = None,
        responder: Responder | None = None,
        seen: SeenHeads | None = None,
    ) -> None:
        self.settings = settings
        self.database = Database.open(dsn, StorePatience(settings.patience, settings.patience_in_doubt))
        self.projections = projections_of(settings)
        self.log = DatabaseLog(self.database.topology)
        self.pool = pool_of(self.database, settings.pool_size)
        self._loop = asyncio.get_running_loop()
        self._progress = Headway()
        self.activity = ActivityCounter(self.pool, observer)
        self._seen = seen or SeenHeads()
        self.store = Store(
            self.database,
            self.projections,
            self._committed,
            settings.queue_limit,
            self.activity,
            self._seen.check,
        )
        self.follower = Follower(
            self._connect_follower,
            self.log,
            self.projections,
            self._moved,
        )
        self.reach = Reach(self.store.lanes, self._is_silent)
        self.repository = Repository(self.store, self.pool, Limits(message_bytes=settings.message_limit))
        self.erasing = asyncio.Semaphore(ERASURES_AT_ONCE)
        patience = self.database.patience.read
        self.shared = LaneConnections(
            self.database.conninfo, self.pool, self.store.lanes, patience, patience / 2
        )
        self.views = {
            each.name: View(self.pool, each, self._progress, shared=self.shared.fetch)
            for each in self.projections
        }
        self.names = Names(self.shared.fetch)
        self.replies = Replies(
            self.repository, self.pool, self.reach, self.views[History.name], settings, responder
        )
        self.changes = Tail(self.pool, self.store.lanes)
        self.reads = Reads(self.pool, self.store.lanes)
        self.replays = ReplayJobs(self.pool, self.database, self.projections)

    async def start(self) -> None:
        await self.pool.open(wait=True)
        await self.shared.open()
        self.store.start()
        self.follower.start()
        await self.replies.start()
        self.reads.start()
        self.changes.start()
        self.activity.start()

    async def stop(self) -> None:
        """What was taken is stored first; nothing that could still be appended is cut off."""
        self.leave()
        await self.replies.close()
        await asyncio.to_thread(self.store.close)
        await self.repository.close()
        await asyncio.to_thread(self.follower.stop)
        await self.reads.close()
        await self.changes.close()
        await self.activity.close()
        await self.replays.close()
        await self.shared.close()
        await self.pool.close()

    def leave(self) -> None:
        """Who listens here goes on at another process, and what takes long begins to stop."""
        self.changes.leave()
        self.replays.leave()

    def _connect_follower(self) -> Connection[Any]:
        """Given up, it holds its rows no longer than it would have been waited for."""
        patience = self.database.patience.follow
        limits = {"idle_in_transaction_session_timeout": milliseconds(patience)}
        return self.database.connect("hansard follower", patience, limits)

    def _is_silent(self, shard: int) -> bool:
        return self.follower.is_silent(shard, self.database.patience.silence)

    def _committed(self, events: Sequence[Recorded]) -> None:
        self.follower.appended({each.shard for each in events})
        self._seen.take(events)
        self.changes.appended(events)

    def _moved(self, projection: str) -> None:
        if self._progress.is_awaited:
            self._loop.call_soon_threadsafe(self._progress.moved)


@asynccontextmanager
async def running(settings: Settings, dsn: str, responder: Responder | None = None) -> AsyncIterator[Hansard]:
    hansard = Hansard(settings, dsn, responder=responder)
    await hansard.start()
    try:
        yield hansard
    finally:
        await hansard.stop()


class Preparation(Struct, frozen=True):
    migrated: MigrationReport
    not_built: tuple[str, ...]
    """The projections that only a replay can build, since there are events already."""


def prepare(
    settings: Settings,
    owner_dsn: str,
    dsn: str | None = None,
    distribution: Distribution | None = None,
) -> Preparation:
    """Brings the database up to this code."""
    report = migrate(owner_dsn, shards=settings.shards, distribution=distribution)
    database = Database.open(dsn or owner_dsn)
    with database.connect("hansard migrate") as connection:
        missing = install(connection, projections_of(settings), DatabaseLog(database.topology))
    return Preparation(report, tuple(projection.name for projection in missing))


def projections_of(settings: Settings) -> tuple[Projection, ...]:
    return (History(taggers_of(settings)), Conversations(), Search(settings.search_language), Usage())


def pool_of(database: Database, size: int) -> PatientPool:
    patience = database.patience.read

    async def patient(connection: AsyncConnection[Any]) -> None:
        if isinstance(connection, PatientAsyncConnection):
            connection.patience = patience
        await configure(connection)

    return PatientPool(
        database.conninfo_with({"statement_timeout": milliseconds(database.patience.statement)}),
        connection_class=PatientAsyncConnection,
        min_size=min(2, size),
        max_size=size,
        kwargs={"autocommit": True, "prepare_threshold": 1, "application_name": "hansard reader"},
        configure=patient,
        open=False,
        timeout=patience,
        # Once the database is back, the next request finds it: trying again by itself, the pool would rest
        # twice as long each time, and come back as late as the outage was long.
        reconnect_timeout=1,
    )
