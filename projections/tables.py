"""A projection's table: its columns, its key, its physical name in one generation, and the statements that fill it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import sql

Small = Annotated[int, "smallint"]
Json = Annotated[bytes, "json"]
"""JSON text as it is stored and as it is served: it keeps NUL characters, which PostgreSQL's text cannot."""

SQL_TYPES: dict[type, str] = {
    int: "bigint",
    str: "text",
    bool: "boolean",
    bytes: "bytea",
    UUID: "uuid",
    datetime: "timestamptz",
    date: "date",
}



class Table(Struct, frozen=True, dict=True, eq=False):
    """Described once, by the Struct of its rows; each generation of its projection has a copy of its own."""

    name: str
    row: type[Struct]
    key: tuple[str, ...]
    sums: tuple[str, ...] = ()
    """The columns that a Tally adds up."""
    computed: tuple[str, ...] = ()
    """Further columns, which the database computes."""
    indexes: tuple[str, ...] = ()
    storage: str = ""
    small: bool = False
    """Grows with users or conversations rather than with messages, so a build can hold a shard's rows in memory."""

    @cached_property
    def columns(self) -> dict[str, str]:
        """Each column's SQL type, in the order of the Struct's fields."""
        return {name: sql_type(hint) for name, hint in get_type_hints(self.row, include_extras=True).items()}

    @cached_property
    def key_of(self) -> Callable[[Any], tuple[Any, ...]]:
        """All keys have at least two columns, so attrgetter always gives a tuple."""
        return attrgetter(*self.key)

    def physical(self, generation: int) -> sql.Identifier:
        return sql.Identifier(f"{self.name}_g{generation}")

    def create(self, generation: int) -> sql.Composed:
        columns = [sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in self.columns.items()]  # type: ignore[arg-type]
        computed = [sql.SQL(column) for column in self.computed]  # type: ignore[arg-type]
        return sql.SQL("CREATE TABLE {} ({}) {}").format(
            self.physical(generation),
            sql.SQL(", ").join([*columns, *computed]),
            sql.SQL(self.storage),  # type: ignore[arg-type]
        )

    def index(self, generation: int) -> Iterable[sql.Composed]:
        """The primary key, then the other indexes: made after the rows where there are many."""
        table = self.physical(generation)
        yield sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, names(self.key))
        for index in self.indexes:
            yield sql.SQL("CREATE INDEX ON {} {}").format(table, sql.SQL(index))  # type: ignore[arg-type]

    def drop(self, generation: int) -> sql.Composed:
        return sql.SQL("DROP TABLE IF EXISTS {}").format(self.physical(generation))

    def copy(self, generation: int) -> sql.Composed:
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            self.physical(generation), names(self.columns)
        )

    def insert(self, generation: int) -> sql.Composed:
        return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
            self.physical(generation), names(self.columns), names(self.columns), self.rows_given(self.columns)
        )

    def tally(self, generation: int) -> sql.Composed:
        """Adds to the row where there is one."""
        table = self.physical(generation)
        sums = sql.SQL(", ").join(
            sql.SQL("{0} = {1}.{0} + excluded.{0}").format(sql.Identifier(c), table) for c in self.sums
        )
        return sql.SQL("{} ON CONFLICT ({}) DO UPDATE SET {}").format(
            self.insert(generation), names(self.key), sums
        )

    def update(
        self, generation: int, key: Sequence[str], put: Sequence[str], add: Sequence[str], fill: Sequence[str]
    ) -> sql.Composed:
        """Changes the rows whose key begins with what is given: put replaces, add adds, fill fills what is NULL."""
        column = sql.Identifier
        changes = [
            *(sql.SQL("{0} = given.{0}").format(column(c)) for c in put),
            *(sql.SQL("{0} = t.{0} + given.{0}").format(column(c)) for c in add),
            *(sql.SQL("{0} = COALESCE(t.{0}, given.{0})").format(column(c)) for c in fill),
        ]
        return sql.SQL("UPDATE {} AS t SET {} FROM {} WHERE {}").format(
            self.physical(generation),
            sql.SQL(", ").join(changes),
            self.rows_given((*key, *put, *add, *fill)),
            same("t", key),
        )

    def delete(self, generation: int, key: Sequence[str]) -> sql.Composed:
        return sql.SQL("DELETE FROM {} AS t USING {} WHERE {}").format(
            self.physical(generation), self.rows_given(key), same("t", key)
        )

    def rows_given(self, columns: Iterable[str]) -> sql.Composed:
        """The parameters as rows: one array a column, so that a statement is the same for one row and for a thousand."""
        arrays = sql.SQL(", ").join(
            sql.SQL("{}::{}[]").format(sql.Placeholder(), sql.SQL(self.columns[c]))  # type: ignore[arg-type]
            for c in columns
        )
        return sql.SQL("unnest({}) AS given ({})").format(arrays, names(columns))


def names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def same(table: str, key: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{}.{} = given.{}").format(sql.Identifier(table), sql.Identifier(c), sql.Identifier(c)) for c in key
    )


def sql_type(hint: Any) -> str:
    """The annotation says it where the Python type does not."""
    if get_origin(hint) is Annotated:
        return str(get_args(hint)[1])
    for part in get_args(hint) or (hint,):
        if part is not type(None):
            return sql_type(part) if get_origin(part) is Annotated else SQL_TYPES.get(part, "text")
    raise TypeError(f"no SQL type for {hint}")


def values(row: Struct) -> tuple[Any, ...]:
    return msgspec.structs.astuple(row)
