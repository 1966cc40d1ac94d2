"""What an event changes in a projection's rows, and how the changes of many events become one a row."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from projections.rows.tables import Table

Key = tuple[Any, ...]


class Insert(Struct, frozen=True, gc=False):
    """A new row: there is none with its key."""

    table: Table
    row: Any


class Tally(Struct, frozen=True, gc=False):
    """A row whose sums are added to the row with this key, or that becomes it."""

    table: Table
    row: Any


class Update(Struct, frozen=True, gc=False):
    """Changes the row with this key, if there is one; a shorter key means every row whose key begins with it.

    An update of many rows can only put; rows that are tallied are updated only so, and not their sums.
    A column that is added to is never NULL.
    """

    table: Table
    key: Key
    put: dict[str, Any] = {}
    add: dict[str, int] = {}
    fill: dict[str, Callable[[], Any]] = {}
    """Where the column is NULL; what with is only worked out there."""


class Delete(Struct, frozen=True, gc=False):
    """The row with this key goes, or every row whose key begins with it."""

    table: Table
    key: Key


Change = Insert | Tally | Update | Delete


class Pending(Struct, gc=False):
    """Changes of one stored row that wait to be written."""

    put: dict[str, Any]
    add: dict[str, int]
    fill: dict[str, Any]

    def merge(self, update: Update) -> None:
        put, add, fill = self.put, self.add, self.fill
        for column, amount in update.add.items():
            if column in put:
                put[column] += amount
            else:
                add[column] = add.get(column, 0) + amount
        for column, value in update.fill.items():
            known = put if column in put else fill
            if known.get(column) is None:
                known[column] = value()
        for column, value in update.put.items():
            put[column] = value
            if column in add:
                del add[column]
            if column in fill:
                del fill[column]


class TableFold:
    """The changes of one table: after any number of events there is at most one for each row.

    `wide` changes concern rows by the beginning of their key. They are written first, to the rows that are
    stored; what waited in the other four when they came has had them applied; what came later is there too.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._key_of = table.key_of
        self._key_size = len(table.key)
        self.inserts: dict[Key, Any] = {}
        self.tallies: dict[Key, Any] = {}
        self.updates: dict[Key, Pending] = {}
        self.deletes: dict[Key, None] = {}
        self.wide: list[Update | Delete] = []

    @property
    def held(self) -> int:
        """How many rows wait to be written."""
        return len(self.inserts) + len(self.tallies) + len(self.updates)

    def insert(self, row: Any) -> None:
        """An update that waits for a row that is only now inserted had nothing to change. The last row of a
        key counts: a log into which an event was slipped is to be replayed, too."""
        key = self._key_of(row)
        self.inserts[key] = row
        if self.updates:
            self.updates.pop(key, None)

    def tally(self, row: Any) -> None:
        known = self.tallies.setdefault(self._key_of(row), row)
        if known is not row:
            for column in self.table.sums:
                if amount := getattr(row, column):
                    setattr(known, column, getattr(known, column) + amount)

    def update(self, update: Update) -> None:
        key = update.key
        if len(key) < self._key_size:
            self.update_widely(update)
        elif self.inserts and (row := self.inserts.get(key)) is not None:
            alter(row, update)
        elif (pending := self.updates.get(key)) is not None:
            pending.merge(update)
        elif self.table.sums:
            raise TypeError(f"{self.table.name} is tallied: its rows are not updated one by one")
        else:
            self.updates[key] = pending = Pending({}, {}, {})
            pending.merge(update)

    def update_widely(self, update: Update) -> None:
        if update.add or update.fill or not update.put.keys().isdisjoint(self.table.sums):
            # It is written before what waits for single rows, and only putting comes to the same either way.
            raise TypeError(f"an update of many rows of {self.table.name} can only put, and no sums")
        self.wide.append(update)
        for rows in (self.inserts, self.tallies):
            for key in under(update.key, rows):
                alter(rows[key], update)
        for key in under(update.key, self.updates):
            self.updates[key].merge(update)

    def delete(self, delete: Delete) -> None:
        if len(delete.key) < self._key_size:
            self.wide.append(delete)
            for rows in (self.inserts, self.tallies, self.updates):
                for key in under(delete.key, rows):
                    del rows[key]
        elif self.inserts.pop(delete.key, None) is None:
            self.updates.pop(delete.key, None)
            self.tallies.pop(delete.key, None)
            self.deletes[delete.key] = None


class Fold:
    """Takes changes in the order of the log, table by table."""

    def __init__(self) -> None:
        self.tables: dict[str, TableFold] = {}

    def take(self, changes: Iterable[Change]) -> None:
        for change in changes:
            table = change.table
            fold = self.tables.get(table.name)
            if fold is None:
                fold = self.tables[table.name] = TableFold(table)
            if type(change) is Insert:
                fold.insert(change.row)
            elif type(change) is Update:
                fold.update(change)
            elif type(change) is Tally:
                fold.tally(change.row)
            elif type(change) is Delete:
                fold.delete(change)


def under(prefix: Key, rows: Iterable[Key]) -> list[Key]:
    return [key for key in rows if key[: len(prefix)] == prefix]


def alter(row: Any, update: Update) -> None:
    for column, amount in update.add.items():
        setattr(row, column, getattr(row, column) + amount)
    for column, value in update.fill.items():
        if getattr(row, column) is None:
            setattr(row, column, value())
    for column, value in update.put.items():
        setattr(row, column, value)
