"""Goes on with what was cut off, in whichever process, for as long as the service runs."""

import asyncio
import logging
import random
from contextlib import suppress
from typing import Final

from service.hansard import Hansard
from service.privacy import receipts
from service.privacy.run import finish_under_way

log = logging.getLogger("hansard.privacy")

LOOK_EVERY: Final = 60.0
"""About so many seconds: each process at other moments than the others."""


class Finishing:
    """At the start and from then on. A receipt is gone on with by one process at a time, and what a process
    is still busy with is left to it."""

    def __init__(self, hansard: Hansard, *, look_every: float = LOOK_EVERY) -> None:
        self._hansard = hansard
        self._look_every = look_every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # whatever it is, it is tried again
                log.exception("erasures that are under way could not be finished; they are tried again")
            await asyncio.sleep(self._look_every * random.uniform(0.5, 1.5))  # noqa: S311 - nothing to guess

    async def look(self) -> None:
        """Almost always there is nothing; a connection of its own is opened only if there is."""
        async with self._hansard.pool.connection() as connection:
            if not await receipts.under_way(connection, self._hansard.store.shards):
                return
        await finish_under_way(self._hansard)
