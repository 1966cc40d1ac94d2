"""The statements that write rows: each is put together once, and is the same for however many rows.

The last parameter of those that are for several names the shards that they write, so that it can be seen of
a statement where it goes: a table says by itself which shards are meant, and rows come in by way of `lanes`,
which lies where they do.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from psycopg import sql

from projections.rows.tables import Table, names, raw

Columns = tuple[str, ...]
IN_THESE: Final = sql.SQL("shard = ANY(%b::smallint[])")


@cache
def insert(table: Table, generation: int) -> bytes:
    return inserting(table, generation).as_bytes(None)


@cache
def insert_one(table: Table, generation: int) -> bytes:
    """A row by itself is as most appends have it, and needs no way by arrays."""
    values = sql.SQL(", ").join(raw(f"%b::{kind}") for kind in table.columns.values())
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
    return statement.format(table.physical(generation), names(table.columns), values).as_bytes(None)


@cache
def copy(table: Table, generation: int) -> bytes:
    return table.copy(generation).as_bytes(None)


@cache
def tally(table: Table, generation: int) -> bytes:
    """Adds to the row where there is one."""
    physical = table.physical(generation)
    sums = sql.SQL(", ").join(
        sql.SQL("{0} = {1}.{0} + excluded.{0}").format(sql.Identifier(column), physical)
        for column in table.sums
    )
    statement = sql.SQL("{} ON CONFLICT ({}) DO UPDATE SET {}")
    return statement.format(inserting(table, generation), names(table.key), sums).as_bytes(None)


@cache
def update(table: Table, generation: int, key: Columns, put: Columns, add: Columns, fill: Columns) -> bytes:
    """Changes the rows whose key begins with what is given: put replaces, add adds, fill fills a NULL."""
    changes = [
        *(sql.SQL("{0} = given.{0}").format(sql.Identifier(column)) for column in put),
        *(sql.SQL("{0} = t.{0} + given.{0}").format(sql.Identifier(column)) for column in add),
        *(sql.SQL("{0} = COALESCE(t.{0}, given.{0})").format(sql.Identifier(column)) for column in fill),
    ]
    statement = sql.SQL("UPDATE {} AS t SET {} FROM {} WHERE {} AND t.{}").format(
        table.physical(generation),
        sql.SQL(", ").join(changes),
        rows_given(table, (*key, *put, *add, *fill)),
        same_key(key) if len(key) == len(table.key) else same_key_and_differs(table, key, put),
        IN_THESE,
    )
    return statement.as_bytes(None)


@cache
def delete(table: Table, generation: int, key: Columns) -> bytes:
    """The rows whose key begins with what is given."""
    statement = sql.SQL("DELETE FROM {} AS t USING {} WHERE {} AND t.{}").format(
        table.physical(generation), rows_given(table, key), same_key(key), IN_THESE
    )
    return statement.as_bytes(None)


def inserting(table: Table, generation: int) -> sql.Composed:
    _, *others = table.columns
    return sql.SQL(
        "INSERT INTO {} ({}) SELECT l.shard, {} FROM lanes AS l JOIN {} ON given.shard = l.shard WHERE l.{}"
    ).format(
        table.physical(generation),
        names(table.columns),
        sql.SQL(", ").join(sql.Identifier("given", column) for column in others),
        rows_given(table, table.columns),
        IN_THESE,
    )


def rows_given(table: Table, columns: Iterable[str]) -> sql.Composed:
    """The parameters as rows: one array a column."""
    arrays = sql.SQL(", ").join(raw(f"%b::{table.columns[column]}[]") for column in columns)
    return sql.SQL("unnest({}) AS given ({})").format(arrays, names(columns))


def same_key_and_differs(table: Table, key: Columns, put: Columns) -> sql.Composed:
    """Of many rows most may be as they are to be, and need not be written. JSON is compared as its text."""
    differs = (
        sql.SQL("t.{0}{1} IS DISTINCT FROM given.{0}{1}").format(
            sql.Identifier(column), sql.SQL("::text" if table.columns[column] == "json" else "")
        )
        for column in put
    )
    return sql.SQL("{} AND ({})").format(same_key(key), sql.SQL(" OR ").join(differs))


def same_key(key: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("t.{0} = given.{0}").format(sql.Identifier(column)) for column in key
    )
