"""A replay or its proof in a thread of a process that does other things as well, and may tell it to stop."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import psycopg
from msgspec import Struct
from psycopg import Connection

from domain.errors import Refusal
from projections.following.parking import in_words
from projections.projection import Projection
from projections.rebuilding.check import Check
from projections.rebuilding.guard import guarded
from projections.rebuilding.progress import Progress
from projections.rebuilding.rebuild import Rebuild
from service.replay.report import NAME, proof_in_words, rebuilt_in_words
from service.store.connections import Database
from service.store.log import DatabaseLog

log = logging.getLogger("hansard.replays")

Kind = Literal["replay", "check"]
Outcome = Literal["done", "differs", "stopped", "failed"]

STOPPED: Final[dict[Kind, str]] = {
    "replay": "Stopped. What was built so far is kept: starting the replay again goes on from there.",
    "check": "Stopped before anything was compared: start the check again.",
}
TOLD_KEYS: Final = frozenset({"shard", "conversation_id", "day"})
"""By which a row may be named in what is kept: not by an id that a client has chosen."""
MOST_LINES: Final = 100


class ReplayEnd(Struct, frozen=True):
    outcome: Outcome
    report: list[str]


class ReplayStopped(BaseException):
    """Like an interrupt: nothing that minds a projection's errors is to take it for one of those."""


class Rebuilding:
    """Made in an event loop, which hears of its end."""

    def __init__(self, database: Database, projections: Sequence[Projection], kind: Kind) -> None:
        self._database = database
        self._log = DatabaseLog(database.topology)
        self._projections = projections
        self._kind = kind
        self._connections: list[Connection[Any]] = []
        self._stopping = threading.Event()
        self._loop = asyncio.get_running_loop()
        self.progress = Progress("starting", 0, 0, 0.0, None)
        self.ended: asyncio.Future[ReplayEnd] = self._loop.create_future()

    def check_free(self) -> None:
        """Raises ReplayIsRunning, which would otherwise only be found out in the thread."""
        with self._database.connect(NAME) as connection, guarded(connection, self._projections):
            pass

    def start(self) -> None:
        # A daemon: a database that never answers must not keep the process from ending.
        threading.Thread(target=self._run, name="hansard-replay", daemon=True).start()

    def stop(self) -> None:
        """Blocks for a moment. Ask again until it has ended: it may have been between two statements."""
        self._stopping.set()
        for connection in list(self._connections):
            with suppress(psycopg.Error):
                if not connection.closed:
                    connection.cancel_safe(timeout=2)

    def _run(self) -> None:
        ended = self._ended_as()
        with suppress(RuntimeError):  # the loop is gone, and nobody has to be told any more
            self._loop.call_soon_threadsafe(self._tell, ended)

    def _tell(self, ended: ReplayEnd) -> None:
        if not self.ended.done():
            self.ended.set_result(ended)

    def _ended_as(self) -> ReplayEnd:
        try:
            return self._replay() if self._kind == "replay" else self._check()
        except ReplayStopped:
            return ReplayEnd("stopped", [STOPPED[self._kind]])
        except Refusal as refusal:
            return ReplayEnd("failed", [str(refusal)])
        except Exception as failed:
            if self._stopping.is_set():
                return ReplayEnd("stopped", [STOPPED[self._kind]])
            why = in_words(failed)
            log.error("a %s failed: %s", self._kind, why)
            return ReplayEnd("failed", [f"It failed: {why}. What is read was not touched."])

    def _replay(self) -> ReplayEnd:
        work = Rebuild(self._connect, self._log, self._projections, self._report)
        return ReplayEnd("done", list(rebuilt_in_words(work.run()))[:MOST_LINES])

    def _check(self) -> ReplayEnd:
        proofs = Check(self._connect, self._log, self._projections, self._report).run()
        lines = [line for proof in proofs for line in proof_in_words(proof, TOLD_KEYS)]
        equal = all(proof.equal for proof in proofs)
        return ReplayEnd("done" if equal else "differs", lines[:MOST_LINES])

    def _connect(self) -> Connection[Any]:
        connection = self._database.connect(NAME)
        self._connections = [each for each in self._connections if not each.closed] + [connection]
        return connection

    def _report(self, progress: Progress) -> None:
        if self._stopping.is_set():
            raise ReplayStopped
        self.progress = progress
