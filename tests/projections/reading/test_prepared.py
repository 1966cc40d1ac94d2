"""Rows come the way the driver's own cursor would give them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from projections.reading.prepared import Statement, fetch
from projections.reading.view import configure


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(dsn) as connection:
        await configure(connection)
        yield connection


VALUES = [
    ("smallint", 7),
    ("bigint", -(2**63)),
    ("integer", 5),
    ("boolean", True),
    ("text", "Grüße 🌍 'x' %s"),
    ("real", 0.5),
    ("uuid", UUID(int=1)),
    ("uuid[]", [UUID(int=1), UUID(int=2)]),
    ("uuid[]", []),
    ("date", date(1999, 12, 31)),
    ("timestamptz", datetime(1969, 7, 20, 20, 17, 40, 123_456, tzinfo=UTC)),
    ("timestamptz", datetime.min.replace(tzinfo=UTC)),
    ("timestamptz", datetime.max.replace(tzinfo=UTC)),
    ("numeric", 12),
]


@pytest.mark.parametrize(("kind", "value"), VALUES)
async def test_a_value_comes_back_as_it_was_given(
    connection: AsyncConnection[Any], kind: str, value: Any
) -> None:
    statement = Statement(f"SELECT %(value)s::{kind}, %(value)s IS NULL, %(nothing)s::{kind}")
    for _ in range(2):
        [(found, is_null, nothing)] = await fetch(connection, statement, {"value": value, "nothing": None})
        assert (found, is_null, nothing) == (value, False, None)


async def test_json_comes_as_the_bytes_that_it_is(connection: AsyncConnection[Any]) -> None:
    text = '{"a" :  "\\u0000ü"}'
    assert await fetch(connection, Statement("SELECT %(text)s::text::json"), {"text": text}) == [
        (text.encode(),)
    ]


async def test_what_is_large_goes_both_ways(connection: AsyncConnection[Any]) -> None:
    large = "x" * 5_000_000
    assert await fetch(connection, Statement("SELECT %(large)s::text"), {"large": large}) == [(large,)]


async def test_an_error_is_the_one_of_the_driver_and_the_connection_goes_on(
    connection: AsyncConnection[Any],
) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await fetch(connection, Statement("SELECT * FROM nothing_of_that_name"), {})
    divide = Statement("SELECT 1 / %(by)s::integer")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await fetch(connection, divide, {"by": 0})
    assert await fetch(connection, divide, {"by": 1}) == [(1,)]
    assert await fetch(connection, Statement("SELECT 1 WHERE false"), {}) == []


async def test_who_gives_up_leaves_no_answer_to_the_next(connection: AsyncConnection[Any]) -> None:
    reading = asyncio.create_task(fetch(connection, Statement("SELECT pg_sleep(60)"), {}))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert connection.closed


async def test_a_lost_connection_is_said_to_be_lost(dsn: str, connection: AsyncConnection[Any]) -> None:
    reading = asyncio.create_task(fetch(connection, Statement("SELECT pg_sleep(60)"), {}))
    await asyncio.sleep(0.1)
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s::integer)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        await reading
