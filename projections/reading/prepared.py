"""Rows of a prepared statement, with as few steps of Python as the driver allows.

The driver's own cursor does the same in about twice the time, and its time is most of what a read costs.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, Error
from psycopg.adapt import Transformer
from psycopg.errors import OperationalError, error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from projections.rows.silence import patiently
from projections.rows.types import TYPES

Row = tuple[Any, ...]

PACKS: Final = {each.number: each.pack for each in TYPES.values()}
NAMED: Final = re.compile(r"%\((\w+)\)s")


class Statement:
    """SQL with `%(named)s` values, as PostgreSQL takes it."""

    def __init__(self, sql: str) -> None:
        self.values = tuple(dict.fromkeys(NAMED.findall(sql)))
        place = {name: f"${at}" for at, name in enumerate(self.values, start=1)}
        self.sql = NAMED.sub(lambda found: place[found[1]], sql).encode()
        self.kinds: Sequence[int] | None = None
        """Of which type each value is, once PostgreSQL has said it to any connection."""


class Prepared:
    """A statement that one connection knows: how each value is packed, and how each column is read."""

    def __init__(self, name: bytes, connection: AsyncConnection[Any], statement: Statement) -> None:
        kinds = statement.kinds or ()
        self.name = name
        self.statement = statement
        self.formats = [Format.BINARY if kind in PACKS else Format.TEXT for kind in kinds]
        self.refused: Error | None = None
        """Why it could not be prepared, where that is known only after it was used."""
        self._values = [
            (name, PACKS.get(kind, as_text)) for name, kind in zip(statement.values, kinds, strict=True)
        ]
        self._reader = Transformer(connection)

    def pack(self, given: Mapping[str, Any]) -> list[bytes | None]:
        return [None if (value := given[name]) is None else pack(value) for name, pack in self._values]

    def rows(self, result: PGresult) -> list[Row]:
        self._reader.set_pgresult(result)
        rows = self._reader.load_rows(0, result.ntuples, tuple)
        self._reader.set_pgresult(None)
        return rows


known: WeakKeyDictionary[AsyncConnection[Any], dict[Statement, Prepared]] = WeakKeyDictionary()


async def fetch(
    connection: AsyncConnection[Any], statement: Statement, given: Mapping[str, Any]
) -> list[Row]:
    """For a connection in autocommit mode that nobody else uses meanwhile."""
    prepared_here = known.get(connection)
    if prepared_here is None:
        prepared_here = known[connection] = {}
    prepared = prepared_here.get(statement)
    if prepared is None:
        name = f"fetch_{len(prepared_here)}".encode()
        await prepare(connection, name, statement)
        prepared = prepared_here[statement] = Prepared(name, connection, statement)
    async with patiently(connection):
        connection.pgconn.send_query_prepared(
            prepared.name, prepared.pack(given), param_formats=prepared.formats, result_format=Format.BINARY
        )
        result = await answer(connection.pgconn)
    return prepared.rows(result)


async def prepare(connection: AsyncConnection[Any], name: bytes, statement: Statement) -> None:
    """PostgreSQL says of which type each value is."""
    pgconn = connection.pgconn
    async with patiently(connection):
        pgconn.send_prepare(name, statement.sql)
        await answer(pgconn)
        pgconn.send_describe_prepared(name)
        described = await answer(pgconn)
    statement.kinds = [described.param_type(at) for at in range(described.nparams)]


async def answer(pgconn: PGconn) -> PGresult:
    """What comes back for what was sent. Who gives up before closes the connection: the next would get it."""
    result = None
    try:
        while pgconn.flush():
            await writable(pgconn)
        while (following := await next_result(pgconn)) is not None:
            result = following
    except asyncio.CancelledError:
        pgconn.finish()
        raise
    if result is None:
        raise OperationalError("the connection was lost before an answer came")
    if result.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(result)
    return result


async def next_result(pgconn: PGconn) -> PGresult | None:
    """None when all has come."""
    if pgconn.is_busy():
        loop = asyncio.get_running_loop()
        complete = loop.create_future()

        def readable() -> None:
            try:
                pgconn.consume_input()
                if not pgconn.is_busy() and not complete.done():
                    complete.set_result(None)
            except Exception as lost:  # whoever waits is to know
                if not complete.done():
                    complete.set_exception(lost)

        loop.add_reader(pgconn.socket, readable)
        try:
            await complete
        finally:
            loop.remove_reader(pgconn.socket)
    return pgconn.get_result()


async def writable(pgconn: PGconn) -> None:
    loop = asyncio.get_running_loop()
    possible = asyncio.Event()
    loop.add_writer(pgconn.socket, possible.set)
    try:
        await possible.wait()
    finally:
        loop.remove_writer(pgconn.socket)


def as_text(value: Any) -> bytes:
    """For the types that are not listed: PostgreSQL reads them as it would read them in a statement."""
    return str(value).encode()
