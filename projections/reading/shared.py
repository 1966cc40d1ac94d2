"""A few connections that the short reads of all requests share: nobody waits for one to become free.

Statements go as they come, in libpq's pipeline mode, and are answered in their order. What was asked in one
turn of the event loop goes together, and the answers mostly wake it once.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed

from projections.reading.line import Ask, SharedLine
from projections.reading.prepared import Row, Statement, prepare
from projections.reading.view import configure
from projections.rows.silence import PatientAsyncConnection

log = logging.getLogger("hansard.reads")

NAME: Final = "hansard shared reader"
CLOSED: Final = "the connections for reading are closed"
CONNECTIONS: Final = 2
PATIENCE: Final = 4.0
"""Seconds after which a caller is told that there was no answer."""
SILENCE: Final = 1.5
"""Seconds without a word on a connection that owes an answer, after which others are asked instead."""
LOOK_EVERY: Final = 0.25
TRY_AGAIN: Final = 0.5
ATTEMPTS: Final = 3
"""As often a read is sent; one that ends its connection every time is not to end them for ever."""


class SharedConnections:
    """Belongs to the event loop in which it is opened."""

    def __init__(
        self,
        conninfo: str,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        size: int = CONNECTIONS,
        patience: float = PATIENCE,
        silence: float = SILENCE,
    ) -> None:
        self._conninfo = conninfo
        self._pool = pool
        self._size = size
        self._patience = patience
        self._silence = silence
        self._lines: list[SharedLine] = []
        self._waiting: list[Ask] = []
        """Asked while there is no connection at all."""
        self._opening: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(self) -> None:
        """With all connections; what is lost later is opened again by itself."""
        try:
            while len(self._lines) < self._size:
                self._lines.append(await self._connect())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Whoever still asks is told so: another process, or this one in a moment, has the answer."""
        self._closed = True
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        if self._looking is not None:
            self._looking.cancel()
        asks = [*self._waiting, *(ask for line in self._lines for ask in line.owed())]
        for line in self._lines:
            line.close()
        for ask in asks:
            ask.refuse(PoolClosed(CLOSED))

    async def fetch(self, statement: Statement, given: Mapping[str, Any]) -> list[Row]:
        """The rows of a SELECT that is quick and whose answer is small, for others wait behind it."""
        loop = asyncio.get_running_loop()
        if statement.kinds is None:
            await self._learn(statement)
        if self._closed:
            raise PoolClosed(CLOSED)
        ask = Ask(statement, given, loop.create_future(), loop.time())
        self._send(ask)
        if self._looking is None:
            self._looking = loop.call_later(LOOK_EVERY, self._look)
        return await ask.answer

    async def _learn(self, statement: Statement) -> None:
        """Once a statement: of which types its values are has to be known before any can be sent."""
        async with self._pool.connection() as connection:
            await prepare(connection, b"", statement)

    def _send(self, ask: Ask) -> None:
        if self._lines:
            min(self._lines, key=waiting_at).send(ask)
        else:
            self._waiting.append(ask)

    async def _connect(self) -> SharedLine:
        connection = await PatientAsyncConnection.connect(
            self._conninfo, autocommit=True, application_name=NAME
        )
        connection.patience = self._patience
        try:
            await configure(connection)
            # What nobody waits for any more is not to go on for long.
            await connection.execute(f"SET statement_timeout = {int(self._patience * 1000)}")
        except BaseException:
            await connection.close()
            raise
        return SharedLine(connection, self._lost)

    def _lost(self, line: SharedLine, why: Exception) -> None:
        """The answers that it owes are asked for once more: all of them are reads."""
        self._lines.remove(line)
        log.warning("a connection for reading was lost: %s", " ".join(str(why).split()))
        if not self._closed:
            task = asyncio.create_task(self._reopen())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        for ask in line.owed():
            if ask.sent >= ATTEMPTS:
                ask.refuse(why)
            else:
                self._send(ask)

    async def _reopen(self) -> None:
        while True:
            try:
                line = await self._connect()
            except psycopg.Error:
                await asyncio.sleep(TRY_AGAIN)
            else:
                break
        self._lines.append(line)
        waiting, self._waiting = self._waiting, []
        for ask in waiting:
            self._send(ask)

    def _look(self) -> None:
        """Four times a second while anything is asked, and not with a timer for each."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for line in self._lines[:]:
            line.refuse_older_than(now - self._patience, self._too_late())
            line.doubtful = len(line) > 0 and line.heard_at < now - LOOK_EVERY
        if any(line.doubtful and line.heard_at < now - self._silence for line in self._lines):
            self._lose_unheard(now)
        for ask in self._waiting:
            if ask.since < now - self._patience:
                ask.refuse(self._too_late())
        self._waiting = [ask for ask in self._waiting if not ask.answer.done()]
        owed = self._waiting or any(len(line) for line in self._lines)
        self._looking = loop.call_later(LOOK_EVERY, self._look) if owed else None

    def _lose_unheard(self, now: float) -> None:
        """An idle one may be as silent as one that owes an answer; it goes first, or it would be asked."""
        for line in sorted(self._lines, key=len):
            if line.heard_at < now - self._silence:
                line.lose(psycopg.OperationalError(f"it was silent for {self._silence:.1f} s"))

    def _too_late(self) -> psycopg.OperationalError:
        return psycopg.OperationalError(f"the database did not answer within {self._patience:.1f} s")


def waiting_at(line: SharedLine) -> tuple[bool, int]:
    return line.doubtful, len(line)
