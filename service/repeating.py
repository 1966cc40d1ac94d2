"""Work that is done again and again for as long as a process runs, whatever becomes of it."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Repeating:
    """Each time after the last one has ended. `passing` are failures that are expected while something is
    away: they are told in one line, and once until it is there again; all others with their traceback."""

    def __init__(
        self,
        work: Callable[[], Awaitable[object]],
        every: float,
        log: logging.Logger,
        failed: str,
        *,
        passing: tuple[type[Exception], ...] = (),
        spread: float = 0.0,
        patience: float = 0.0,
        rest_first: bool = False,
    ) -> None:
        """`every` are seconds, more or less by the share `spread`, so that several processes do not meet;
        what is being done when it is closed has `patience` seconds more."""
        self.closing = asyncio.Event()
        self._work = work
        self._every = every
        self._log = log
        self._failed = failed
        self._passing = passing
        self._spread = spread
        self._patience = patience
        self._rest_first = rest_first
        self._is_away = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        self.closing.set()
        if self._task is None:
            return
        if self._patience:
            await asyncio.wait([self._task], timeout=self._patience)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _repeat(self) -> None:
        if self._rest_first:
            await self._rest()
        while not self.closing.is_set():
            try:
                await self._work()
            except self._passing as passing:
                level = logging.DEBUG if self._is_away else logging.WARNING
                self._log.log(level, "%s: %s", self._failed, type(passing).__name__)
                self._is_away = True
            except Exception:
                self._log.exception(self._failed)
            else:
                self._is_away = False
            await self._rest()

    async def _rest(self) -> None:
        share = random.uniform(1 - self._spread, 1 + self._spread)  # noqa: S311 - nothing to guess
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), self._every * share)
