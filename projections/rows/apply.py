"""Writes folded changes into the tables of one generation: the same way for an append and for a follower."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from msgspec.structs import astuple
from psycopg import Connection

from projections.rows import statements
from projections.rows.arrays import Array
from projections.rows.changes import Fold, Key, Pending, TableFold, Update
from projections.rows.tables import Table

COPY_FROM: Final = 200
"""From so many rows on, they are copied."""

Columns = tuple[str, ...]
Shape = tuple[Columns, Columns, Columns]
Row = tuple[Any, ...]


def apply(connection: Connection[Any], fold: Fold, generation: int) -> None:
    """All in the caller's transaction."""
    for table in fold.tables.values():
        if table.wide:
            apply_wide(connection, table, generation)
        apply_rows(connection, table, generation)


def apply_wide(connection: Connection[Any], fold: TableFold, generation: int) -> None:
    """In their order, but those that follow each other and do the same as one: their keys are of one length,
    so either they concern different rows, or the later one is as good as both."""
    table = fold.table
    for (size, columns), run in groupby(fold.wide, wide_shape):
        key = table.key[:size]
        if columns is None:
            rows = dict.fromkeys(change.key for change in run)
            connection.execute(statements.delete(table, generation, key), arrays(table, key, rows))
        else:
            values = {change.key: (*change.key, *change.put.values()) for change in run}  # type: ignore[union-attr]
            statement = statements.update(table, generation, key, columns, (), ())
            connection.execute(statement, arrays(table, (*key, *columns), values.values()))


def wide_shape(change: Any) -> tuple[int, Columns | None]:
    return len(change.key), tuple(change.put) if isinstance(change, Update) else None


def apply_rows(connection: Connection[Any], fold: TableFold, generation: int) -> None:
    table = fold.table
    if fold.deletes:
        statement = statements.delete(table, generation, table.key)
        connection.execute(statement, arrays(table, table.key, fold.deletes))
    if len(fold.inserts) >= COPY_FROM:
        copy_rows(connection, fold, generation)
    elif fold.inserts:
        statement = statements.insert(table, generation)
        connection.execute(statement, arrays(table, table.columns, map(astuple, fold.inserts.values())))
    if fold.tallies:
        statement = statements.tally(table, generation)
        connection.execute(statement, arrays(table, table.columns, map(astuple, fold.tallies.values())))
    for (put, add, fill), rows in by_shape(fold.updates).items():
        statement = statements.update(table, generation, table.key, put, add, fill)
        connection.execute(statement, arrays(table, (*table.key, *put, *add, *fill), rows))


def copy_rows(connection: Connection[Any], fold: TableFold, generation: int) -> None:
    """The same as the statement with arrays, and faster for many rows; it cannot be part of a pipeline."""
    table = fold.table
    with connection.cursor() as cursor, cursor.copy(table.copy(generation)) as copy:
        copy.set_types(table.copy_types)
        write = copy.write_row
        for row in fold.inserts.values():
            write(astuple(row))


def by_shape(updates: dict[Key, Pending]) -> dict[Shape, list[Row]]:
    """One statement for all updates that touch the same columns in the same way."""
    shapes: dict[Shape, list[Row]] = defaultdict(list)
    for key, pending in updates.items():
        shape = (tuple(pending.put), tuple(pending.add), tuple(pending.fill))
        given = (*key, *pending.put.values(), *pending.add.values(), *pending.fill.values())
        shapes[shape].append(given)
    return shapes


def arrays(table: Table, columns: Iterable[str], rows: Iterable[Row]) -> list[Array]:
    """Rows into columns."""
    kinds = table.columns
    return [Array(kinds[name], values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)]
