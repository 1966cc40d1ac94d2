"""Granian's main process, except that it never gives up its workers: one that dies is replaced, and one that
keeps dying after pauses that grow."""

import time
from typing import Any, Final

from granian.server.mp import MPServer

from service.cli.terminal import warn

LIVED_WELL: Final = 60.0
"""Seconds. A worker that dies after so long is replaced at once."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0


class LastingServer(MPServer):
    """Granian itself ends the service when a worker dies twice within some seconds, as one does that the
    kernel kills for its memory and kills again."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._pauses: dict[int, float] = {}
        """The last one, by worker."""
        self._due: dict[int, float] = {}
        """When those that died are replaced."""

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while True:
            self.main_loop_interrupt.wait(self._until_due())
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                return
            while self.interrupt_children:
                self._died(self.interrupt_children.pop())
            for worker in [worker for worker, due in self._due.items() if due <= time.monotonic()]:
                del self._due[worker]
                self._replace(worker, spawn_target, target_loader)

    def _until_due(self) -> float | None:
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def _died(self, worker: int) -> None:
        now = time.monotonic()
        pause = pause_after(now - self.wrks[worker].birth, self._pauses.get(worker, 0.0))
        self._pauses[worker], self._due[worker] = pause, now + pause
        warn(f"worker process {worker + 1} died; another one starts {f'in {pause:g} s' if pause else 'now'}")

    def _replace(self, worker: int, spawn_target: Any, target_loader: Any) -> None:
        """Where the system has no room for another process, there may be some later."""
        dead = self.wrks[worker]
        try:
            self._respawn_workers([worker], spawn_target, target_loader)
        except OSError as error:
            if dead not in self.wrks:
                self.wrks.insert(worker, dead)
            pause = pause_after(0.0, self._pauses.get(worker, 0.0))
            self._pauses[worker], self._due[worker] = pause, time.monotonic() + pause
            warn(f"worker process {worker + 1} cannot be started: {error}; again in {pause:g} s")


def pause_after(lived: float, last: float) -> float:
    """Before a worker is replaced that lived so long, and was itself started after the last pause."""
    return 0.0 if lived >= LIVED_WELL else min(LONGEST_PAUSE, max(FIRST_PAUSE, last * 2))
