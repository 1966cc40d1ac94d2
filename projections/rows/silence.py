"""Connections that are given up when nothing comes back: a silent one looks like a slow one, for ever."""

from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

Result = TypeVar("Result")

CHECK_EVERY: Final = 0.1
"""How often a thread that waits looks whether somebody has interrupted it."""


class Silence(psycopg.OperationalError):
    """Nothing came back for too long: whether the other end is slow or gone, nobody can tell."""

    def __init__(self) -> None:
        super().__init__("the database does not answer")


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

    async def wait(
        self,
        gen: PQGen[Result],
        interval: float = CHECK_EVERY,
        timeout: float | None = None,  # noqa: ASYNC109 - as the driver has it
    ) -> Result:
        if timeout is not None or self.patience is None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, self.patience)
        except _WaitTimeout:
            self.pgconn.finish()
            raise Silence from None
