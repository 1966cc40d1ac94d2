"""Writes folded changes into the tables of one generation: the same way for an append, a follower and a replay."""

from collections import defaultdict
from typing import Any

from psycopg import Connection

from projections.changes import Fold, Key, Pending, TableFold, Update
from projections.tables import values

Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def apply(connection: Connection[Any], fold: Fold, generation: int) -> None:
    """All in the caller's transaction."""
    for table in fold.tables.values():
        apply_wide(connection, table, generation)
        apply_rows(connection, table, generation)


def apply_wide(connection: Connection[Any], fold: TableFold, generation: int) -> None:
    table = fold.table
    for change in fold.wide:
        key = table.key[: len(change.key)]
        if isinstance(change, Update):
            put, add, fill = tuple(change.put), tuple(change.add), tuple(change.fill)
            given = (*change.key, *change.put.values(), *change.add.values(), *change.fill.values())
            connection.execute(table.update(generation, key, put, add, fill), [[value] for value in given])
        else:
            connection.execute(table.delete(generation, key), [[value] for value in change.key])


def apply_rows(connection: Connection[Any], fold: TableFold, generation: int) -> None:
    table = fold.table
    if fold.deletes:
        connection.execute(table.delete(generation, table.key), turn(fold.deletes))
    if fold.inserts:
        connection.execute(table.insert(generation), turn(map(values, fold.inserts.values())))
    if fold.tallies:
        connection.execute(table.tally(generation), turn(map(values, fold.tallies.values())))
    for (put, add, fill), rows in by_shape(fold.updates).items():
        connection.execute(table.update(generation, table.key, put, add, fill), turn(rows))


def by_shape(updates: dict[Key, Pending]) -> dict[Shape, list[tuple[Any, ...]]]:
    """One statement for all updates that touch the same columns in the same way."""
    shapes: dict[Shape, list[tuple[Any, ...]]] = defaultdict(list)
    for key, pending in updates.items():
        shape = (tuple(pending.put), tuple(pending.add), tuple(pending.fill))
        given = (*key, *pending.put.values(), *pending.add.values(), *pending.fill.values())
        shapes[shape].append(given)
    return shapes


def turn(rows: Any) -> list[list[Any]]:
    """Rows into columns."""
    return [list(column) for column in zip(*rows, strict=True)]
