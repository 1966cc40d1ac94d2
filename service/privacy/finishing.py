"""Goes on with what was cut off, in whichever process, for as long as the service runs."""

import logging
from typing import Final

from service.hansard import Hansard
from service.privacy import receipts
from service.privacy.run import finish_under_way
from service.repeating import Repeating

log = logging.getLogger("hansard.privacy")

LOOK_EVERY: Final = 60.0
"""About so many seconds: each process at other moments than the others."""
FAILED: Final = "erasures that are under way could not be finished; they are tried again"


class Finishing:
    """At the start and from then on. A receipt is gone on with by one process at a time, and what a process
    is still busy with is left to it."""

    def __init__(self, hansard: Hansard, *, look_every: float = LOOK_EVERY) -> None:
        self._hansard = hansard
        self._looking = Repeating(self.look, look_every, log, FAILED, spread=0.5)

    def start(self) -> None:
        self._looking.start()

    async def close(self) -> None:
        await self._looking.close()

    async def look(self) -> None:
        """Almost always there is nothing; a connection of its own is opened only if there is."""
        async with self._hansard.pool.connection() as connection:
            if not await receipts.under_way(connection, self._hansard.reach):
                return
        await finish_under_way(self._hansard)
