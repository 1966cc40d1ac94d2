"""What an event changes in a projection's rows, and how the changes of many events become one a row."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from projections.tables import Table

Key = tuple[Any, ...]


class Insert(Struct, frozen=True):
    """A new row."""

    table: Table
    row: Any


class Tally(Struct, frozen=True):
    """A row whose sums are added to the row with this key, or that becomes it."""

    table: Table
    row: Any


class Update(Struct, frozen=True):
    """Changes the row with this key, if there is one; a shorter key means every row whose key begins with it."""

    table: Table
    key: Key
    put: dict[str, Any] = {}
    add: dict[str, int] = {}
    fill: dict[str, Any] = {}
    """Where the column is NULL."""


class Delete(Struct, frozen=True):
    """The row with this key goes, or every row whose key begins with it."""

    table: Table
    key: Key


Change = Insert | Tally | Update | Delete


class Pending(Struct):
    """Changes of one stored row that wait to be written."""

    put: dict[str, Any]
    add: dict[str, int]
    fill: dict[str, Any]

    def merge(self, update: Update) -> None:
        for column, amount in update.add.items():
            if column in self.put:
                self.put[column] += amount
            else:
                self.add[column] = self.add.get(column, 0) + amount
        for column, value in update.fill.items():
            if column not in self.put:
                self.fill.setdefault(column, value)
            elif self.put[column] is None:
                self.put[column] = value
        for column, value in update.put.items():
            self.put[column] = value
            self.add.pop(column, None)
            self.fill.pop(column, None)


class TableFold:
    """The changes of one table: after any number of events there is at most one for each row.

    `wide` changes concern rows by the beginning of their key. They are written first; what came after them
    is in the other three, and what came before them there has had them applied.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.inserts: dict[Key, Any] = {}
        self.tallies: dict[Key, Any] = {}
        self.updates: dict[Key, Pending] = {}
        self.wide: list[Update | Delete] = []
        self.deletes: dict[Key, None] = {}

    def insert(self, row: Any) -> None:
        self.inserts[self.table.key_of(row)] = row

    def tally(self, row: Any) -> None:
        key = self.table.key_of(row)
        known = self.inserts.get(key) or self.tallies.setdefault(key, row)
        if known is not row:
            for column in self.table.sums:
                setattr(known, column, getattr(known, column) + getattr(row, column))

    def update(self, update: Update) -> None:
        if len(update.key) < len(self.table.key):
            self.wide.append(update)
            for row in self.rows_under(update.key):
                alter(row, update)
            for key, pending in self.updates.items():
                if key[: len(update.key)] == update.key:
                    pending.merge(update)
        elif (row := self.inserts.get(update.key)) is not None:
            alter(row, update)
        else:
            self.updates.setdefault(update.key, Pending({}, {}, {})).merge(update)

    def delete(self, delete: Delete) -> None:
        if len(delete.key) < len(self.table.key):
            self.wide.append(delete)
            for rows in (self.inserts, self.tallies, self.updates):
                for key in [key for key in rows if key[: len(delete.key)] == delete.key]:
                    del rows[key]
        elif self.inserts.pop(delete.key, None) is None:
            self.updates.pop(delete.key, None)
            self.tallies.pop(delete.key, None)
            self.deletes[delete.key] = None

    def rows_under(self, prefix: Key) -> Iterable[Any]:
        for rows in (self.inserts, self.tallies):
            yield from (row for key, row in rows.items() if key[: len(prefix)] == prefix)


class Fold:
    """Takes changes in the order of the log, table by table."""

    def __init__(self) -> None:
        self.tables: dict[str, TableFold] = {}

    def take(self, changes: Iterable[Change]) -> None:
        for change in changes:
            fold = self.tables.get(change.table.name)
            if fold is None:
                fold = self.tables[change.table.name] = TableFold(change.table)
            if type(change) is Insert:
                fold.insert(change.row)
            elif type(change) is Update:
                fold.update(change)
            elif type(change) is Tally:
                fold.tally(change.row)
            elif type(change) is Delete:
                fold.delete(change)


def alter(row: Any, update: Update) -> None:
    for column, amount in update.add.items():
        setattr(row, column, getattr(row, column) + amount)
    for column, value in update.fill.items():
        if getattr(row, column) is None:
            setattr(row, column, value)
    for column, value in update.put.items():
        setattr(row, column, value)
