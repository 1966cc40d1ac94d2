"""Writes folded changes into the tables of one generation: the same way for an append and for a follower."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import psycopg
from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Connection

from projections.rows import statements
from projections.rows.arrays import Array, Value
from projections.rows.changes import Fold, Key, Pending, TableFold, Update
from projections.rows.copied import as_told, copied
from projections.rows.tables import Table

COPY_FROM: Final = 100
"""From so many rows on, they are copied: about where it costs no more than a statement with arrays."""

Columns = tuple[str, ...]
Shape = tuple[Columns, Columns, Columns]
Row = tuple[Any, ...]


class Execute(Struct, frozen=True):
    """A statement, and its parameters: a column of values each, or one value of a single row."""

    statement: bytes
    columns: Sequence[Array | Value]


class Copy(Struct, frozen=True):
    """The same as a statement with arrays, and faster for many rows; it shares a round trip with nothing."""

    statement: bytes
    kinds: Sequence[str]
    rows: Iterable[Row]

    def blocks(self) -> Iterator[bytearray]:
        """The data; to be asked for once."""
        return copied(self.kinds, self.rows)


Write = Execute | Copy


def apply(connection: Connection[Any], fold: Fold, generation: int, copies: bool = True) -> None:
    """All in the caller's transaction."""
    for write in writes(fold, generation, copies):
        carry_out(connection, write)


def carry_out(connection: Connection[Any], write: Write) -> None:
    if isinstance(write, Execute):
        connection.execute(write.statement, write.columns)
    else:
        try:
            with connection.cursor() as cursor, cursor.copy(write.statement) as copy:
                for block in write.blocks():
                    copy.write(block)
        except psycopg.InternalError as refused:
            raise as_told(refused) from None


def writes(fold: Fold, generation: int, copies: bool = True) -> Iterator[Write]:
    """What has to be done, in this order."""
    for table in fold.tables.values():
        if table.wide:
            yield from wide_writes(table, generation)
        yield from row_writes(table, generation, copies)


def wide_writes(fold: TableFold, generation: int) -> Iterator[Write]:
    """In their order, but those that follow each other and do the same as one: their keys are of one length,
    so either they concern different rows, or the later one is as good as both."""
    table = fold.table
    for (size, columns), run in groupby(fold.wide, wide_shape):
        key = table.key[:size]
        if columns is None:
            rows = dict.fromkeys(change.key for change in run)
            yield Execute(statements.delete(table, generation, key), given(table, key, rows))
        else:
            values = {change.key: (*change.key, *change.put.values()) for change in run}  # type: ignore[union-attr]
            statement = statements.update(table, generation, key, columns, (), ())
            yield Execute(statement, given(table, (*key, *columns), values.values()))


def wide_shape(change: Any) -> tuple[int, Columns | None]:
    return len(change.key), tuple(change.put) if isinstance(change, Update) else None


def row_writes(fold: TableFold, generation: int, copies: bool) -> Iterator[Write]:
    table = fold.table
    if fold.deletes:
        statement = statements.delete(table, generation, table.key)
        yield Execute(statement, given(table, table.key, fold.deletes))
    if fold.inserts:
        yield putting_in(fold, generation, copies)
    if fold.tallies:
        statement = statements.tally(table, generation)
        yield Execute(statement, given(table, table.columns, map(astuple, fold.tallies.values())))
    for (put, add, fill), rows in by_shape(fold.updates).items():
        statement = statements.update(table, generation, table.key, put, add, fill)
        yield Execute(statement, given(table, (*table.key, *put, *add, *fill), rows))


def putting_in(fold: TableFold, generation: int, copies: bool) -> Write:
    """The rows that are inserted, of which there are some."""
    table, size, rows = fold.table, len(fold.inserts), map(astuple, fold.inserts.values())
    if copies and size >= COPY_FROM:
        return Copy(statements.copy(table, generation), [*table.columns.values()], rows)
    if size == 1:
        return Execute(statements.insert_one(table, generation), of_row(table.columns.values(), next(rows)))
    return Execute(statements.insert(table, generation), given(table, table.columns, rows))


def by_shape(updates: dict[Key, Pending]) -> dict[Shape, list[Row]]:
    """One statement for all updates that touch the same columns in the same way."""
    shapes: dict[Shape, list[Row]] = defaultdict(list)
    for key, pending in updates.items():
        shape = (tuple(pending.put), tuple(pending.add), tuple(pending.fill))
        given = (*key, *pending.put.values(), *pending.add.values(), *pending.fill.values())
        shapes[shape].append(given)
    return shapes


def given(table: Table, columns: Iterable[str], rows: Iterable[Row]) -> list[Array]:
    """Rows into columns, of which the first is the shard; and behind them the shards that there are."""
    kinds, values = table.columns, list(zip(*rows, strict=True))
    arrays = [Array(kinds[name], each) for name, each in zip(columns, values, strict=True)]
    return [*arrays, shards_in(values[0])]


def of_row(kinds: Iterable[str], row: Iterable[Any]) -> list[Value]:
    return [Value(kind, value) for kind, value in zip(kinds, row, strict=True)]


def shards_in(column: Iterable[int]) -> Array:
    return Array("smallint", list(set(column)))
