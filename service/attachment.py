"""Hansard as one worker has it: there as soon as the database can be used, tried for until then."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from service.chatkit.loading import ChatKit
from service.hansard import Hansard
from service.privacy.daily import Daily
from service.privacy.finishing import Finishing
from service.settings.settings import Settings, retention_of
from service.store.connections import Database
from service.store.errors import StoreUnavailable
from service.store.migrations import check_migrated
from service.store.observer import Observer
from service.store.shrinking import RestoreWatch, SeenHeads

log = logging.getLogger("hansard.worker")

TRY_AGAIN: Final = 1.0
FIRST_TRY: Final = 2.0
"""How long a worker's start waits for the database; then it answers, and says that it is not ready."""


class Attachment:
    def __init__(self, settings: Settings, observer: Observer | None = None) -> None:
        self._settings = settings
        self._observer = observer
        self._why = "it has not been asked yet"
        self._hansard: Hansard | None = None
        self._chatkit: ChatKit | None = None
        self._trying: asyncio.Task[None] | None = None
        self._finishing: Finishing | None = None
        self._retention = retention_of(settings)
        self._daily: Daily | None = None
        self._restores: RestoreWatch | None = None
        self._is_there = asyncio.Event()
        self._seen = SeenHeads()

    @property
    def incarnation(self) -> str:
        """The tag of the log's, as every place in it names it."""
        return self._hansard.store.incarnation.tag if self._hansard is not None else ""

    @property
    def is_there(self) -> bool:
        return self._hansard is not None

    @property
    def hansard(self) -> Hansard:
        if self._hansard is None:
            raise StoreUnavailable(why=self._why, retry_after=1)
        return self._hansard

    @property
    def chatkit(self) -> ChatKit:
        if self._chatkit is None:
            self._chatkit = ChatKit(self.hansard)
        return self._chatkit

    async def start(self) -> None:
        """Returns when the database could be used, or after a moment without it."""
        if self._settings.dsn is None:
            self._why = "no HANSARD_DSN was given"
            return
        self._trying = asyncio.create_task(self._keep_attached(self._settings.dsn))
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_TRY):
                await self._is_there.wait()

    async def stop(self) -> None:
        if self._trying is not None:
            self._trying.cancel()
            with suppress(asyncio.CancelledError):
                await self._trying
        await self._let_go()

    async def _let_go(self) -> None:
        hansard, self._hansard, self._chatkit = self._hansard, None, None
        for part in (self._restores, self._finishing, self._daily):
            if part is not None:
                await part.close()
        if hansard is not None:
            await hansard.stop()

    async def _keep_attached(self, dsn: str) -> None:
        """What this process remembers of a log is of no use once an older backup of it was restored, or once
        its shards lie elsewhere."""
        while True:
            restores = await self._attach(dsn)
            self._is_there.set()
            await restores.restored.wait()
            log.warning("the database is looked at anew: %s", restores.why)
            self._why = restores.why
            if restores.has_begun:
                self._seen = SeenHeads()
            await self._let_go()

    async def _attach(self, dsn: str) -> RestoreWatch:
        while True:
            try:
                # In a thread, for it may take long, and once more by Hansard, which is then quick.
                await asyncio.to_thread(reach, dsn)
                self._hansard = await started(Hansard(self._settings, dsn, self._observer, seen=self._seen))
                self._finishing = Finishing(self._hansard)
                self._finishing.start()
                self._daily = Daily(self._hansard, self._retention)
                self._daily.start()
                store = self._hansard.store
                given = (self._hansard.database, store.incarnation, store.lanes, self._seen)
                self._restores = RestoreWatch(*given)
                self._restores.start()
            except Exception as failed:  # whatever it is, trying goes on
                self._why = (str(failed).splitlines() or [type(failed).__name__])[0]
                log.warning("the database cannot be used yet: %s", self._why)
                await asyncio.sleep(TRY_AGAIN)
            else:
                return self._restores


async def started(hansard: Hansard) -> Hansard:
    try:
        await hansard.start()
    except BaseException:
        await hansard.shared.close()
        await hansard.pool.close()
        raise
    return hansard


def reach(dsn: str) -> None:
    database = Database.open(dsn)
    with database.connect(patience=database.patience.asked) as connection:
        check_migrated(connection)
