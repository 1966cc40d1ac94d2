"""Connections that are given up when nothing comes back: a silent one looks like a slow one, for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout
from psycopg.waiting import wait_async
from psycopg_pool import AsyncConnectionPool

Result = TypeVar("Result")

CHECK_EVERY: Final = 0.1
"""How often a thread that waits looks whether somebody has interrupted it."""

CONNECTION_FAILED: Final = "08"
"""What PostgreSQL's names of errors begin with where a server could not reach another one."""


class Silence(psycopg.OperationalError):
    """Nothing came back for too long: whether the other end is slow or gone, nobody can tell."""

    def __init__(self) -> None:
        super().__init__("the database does not answer")


def is_part_away(connection: Connection[Any] | AsyncConnection[Any], error: Exception) -> bool:
    """Whether only a part of the database cannot be reached, one that a statement was about: the connection
    itself is as good as before."""
    return is_of_a_part(error) and not connection.closed


def is_of_a_part(error: Exception) -> bool:
    """Whether the server answered, and told that it could not reach another one."""
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "").startswith(
        CONNECTION_FAILED
    )


class PatientConnection(Connection[Any]):
    """For threads."""

    patience: float | None = None
    """How many seconds each answer may take; None: as long as it likes."""

    def wait(self, gen: PQGen[Result], interval: float = CHECK_EVERY, timeout: float | None = None) -> Result:
        if timeout is not None or self.patience is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except _WaitTimeout:
            self.pgconn.finish()
            raise Silence from None


class PatientAsyncConnection(AsyncConnection[Any]):
    """For event loops."""

    patience: float | None = None
    """The same."""

    async def wait(
        self,
        gen: PQGen[Result],
        interval: float = CHECK_EVERY,
        timeout: float | None = None,  # noqa: ASYNC109 - as the driver has it
    ) -> Result:
        if timeout is not None or self.patience is None:
            return await super().wait(gen, interval, timeout)
        try:
            return await wait_async(gen, self.pgconn.socket, interval, self.patience)
        except _WaitTimeout:
            self.pgconn.finish()
            raise Silence from None
        except asyncio.CancelledError:
            # The driver would ask the database to stop, and wait for that for another ten seconds.
            self.pgconn.finish()
            raise


@asynccontextmanager
async def patiently(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """For what asks libpq itself: as long as the connection would wait. What is cut off must close it."""
    try:
        async with asyncio.timeout(getattr(connection, "patience", None)):
            yield
    except TimeoutError:
        raise Silence from None


class PatientPool(AsyncConnectionPool[AsyncConnection[Any]]):
    """Where one connection has gone silent, the idle ones may have, too: all are made anew."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[AsyncConnection[Any]]:  # noqa: ASYNC109 - as the driver has it
        try:
            async with super().connection(timeout) as connection:
                yield connection
        except Silence:
            await self.drain()
            raise
