"""Every value comes to PostgreSQL as what it is: alone, in an array, and in a COPY."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection, sql
from psycopg.pq import Format

from projections.rows.arrays import Array
from projections.rows.copied import copied
from projections.rows.types import TYPES, packed
from service.store.connections import connect

VALUES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "bytea": [b"", b"\0\xff"],
    "bigint": [0, -1, 2**63 - 1, -(2**63)],
    "smallint": [0, -1, 2**15 - 1, -(2**15)],
    "integer": [0, -1, 2**31 - 1, -(2**31)],
    "text": ["", "Grüße 🌍", "NULL", "x" * 100_000],
    "json": ['{"a": [null, "\\u0000"]}', '"é"'],
    "real": [0.0, -1.5],
    "date": [date(1, 1, 1), date(1999, 12, 31), date(9999, 12, 31)],
    "timestamptz": [datetime(1, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC)],
    "uuid": [UUID(int=0), UUID(int=2**128 - 1)],
    "uuid[]": [[UUID(int=1), UUID(int=2)]],
}
IN_COLUMNS = sorted(VALUES.keys() - {"uuid[]"})


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection[Any]]:
    with connect(dsn) as made:
        yield made


def test_every_type_has_values_and_the_number_that_postgresql_gives_it(connection: Connection[Any]) -> None:
    assert VALUES.keys() == TYPES.keys()
    for kind, each in TYPES.items():
        assert connection.execute("SELECT %s::regtype::oid::bigint", [kind]).fetchone() == (each.number,)


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_alone_is_what_it_is(connection: Connection[Any], kind: str) -> None:
    for value in VALUES[kind]:
        query = f"SELECT $1::{kind}::text".encode()
        result = connection.pgconn.exec_params(query, [packed(kind, value)], None, [Format.BINARY])
        assert result.get_value(0, 0) == expected(connection, kind, value).encode()


@pytest.mark.parametrize("kind", IN_COLUMNS)
def test_a_column_of_values_and_nulls_is_what_it_is(connection: Connection[Any], kind: str) -> None:
    query = sql.SQL("SELECT given::text FROM unnest({}) AS given").format(sql.SQL(f"%b::{kind}[]"))
    for values in ([], [None], *([value] for value in VALUES[kind]), [None, *VALUES[kind], None]):
        found = connection.execute(query, [Array(kind, values)]).fetchall()
        assert found == [(expected(connection, kind, value),) for value in values]


@pytest.mark.parametrize("kind", IN_COLUMNS)
def test_copied_rows_are_what_they_are(connection: Connection[Any], kind: str) -> None:
    rows = [(number, value) for number, value in enumerate([None, *VALUES[kind]] * 300)]
    connection.execute(f"CREATE TEMP TABLE given (number bigint, value {kind})".encode())
    with connection.cursor().copy("COPY given FROM STDIN (FORMAT BINARY)") as copy:
        for block in copied(["bigint", kind], rows):
            copy.write(block)
    found = connection.execute("SELECT value::text FROM given ORDER BY number").fetchall()
    assert found == [(expected(connection, kind, value),) for value in [None, *VALUES[kind]]] * 300


def expected(connection: Connection[Any], kind: str, value: Any) -> Any:
    """What PostgreSQL makes of it where the driver hands it over in its own way, as text."""
    given = "text" if kind == "json" else kind
    row = connection.execute(f"SELECT %t::{given}::text".encode(), [value]).fetchone()
    assert row is not None
    return row[0]
