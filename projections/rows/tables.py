"""A projection's table: its columns, its key, and its physical name in one generation."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

from msgspec import Struct
from psycopg import sql

Small = Annotated[int, "smallint"]
Json = Annotated[str, "json"]
"""JSON as it is stored and as it is served: it keeps NUL characters, which PostgreSQL's text cannot."""

SQL_TYPES: dict[type, str] = {
    int: "bigint",
    str: "text",
    bool: "boolean",
    UUID: "uuid",
    datetime: "timestamptz",
    date: "date",
}


class Table(Struct, frozen=True, dict=True, eq=False):
    """Described once, by the Struct of its rows; each generation of its projection has a copy of its own."""

    name: str
    row: type[Struct]
    key: tuple[str, ...]
    """At least two columns, of which the first is the shard."""
    sums: tuple[str, ...] = ()
    """The columns that a Tally adds up; a table with them takes Tallies instead of Inserts."""
    computed: tuple[str, ...] = ()
    """Further columns, which the database computes."""
    primary: tuple[str, ...] = ()
    """The order of the key's columns in the primary key, where it is another."""
    indexes: tuple[str, ...] = ()
    storage: str = ""
    small: bool = False
    """Grows with users or conversations, not with messages, so a build can hold a shard's rows in memory."""

    @cached_property
    def columns(self) -> dict[str, str]:
        """Each column's SQL type, in the order of the Struct's fields."""
        return {name: sql_type(hint) for name, hint in get_type_hints(self.row, include_extras=True).items()}

    @cached_property
    def key_of(self) -> Callable[[Any], tuple[Any, ...]]:
        """All keys have at least two columns, so attrgetter always gives a tuple."""
        return attrgetter(*self.key)

    def named(self, generation: int) -> str:
        return f"{self.name}_g{generation}"

    def physical(self, generation: int) -> sql.Identifier:
        return sql.Identifier(self.named(generation))

    def create(self, generation: int) -> sql.Composed:
        """NOT NULL is said here, or making the primary key would read all rows to see that it holds."""
        columns = [
            sql.SQL("{} {}{}").format(sql.Identifier(n), raw(t), raw(" NOT NULL" if n in self.key else ""))
            for n, t in self.columns.items()
        ]
        return sql.SQL("CREATE TABLE {} ({}) {}").format(
            self.physical(generation),
            sql.SQL(", ").join([*columns, *map(raw, self.computed)]),
            raw(self.storage),
        )

    def index(self, generation: int) -> Iterable[sql.Composed]:
        """The primary key, then the other indexes: made after the rows where there are many."""
        table = self.physical(generation)
        yield sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, names(self.primary or self.key))
        for index in self.indexes:
            yield sql.SQL("CREATE INDEX ON {} {}").format(table, raw(index))

    def drop(self, generation: int) -> sql.Composed:
        return sql.SQL("DROP TABLE IF EXISTS {}").format(self.physical(generation))

    def copy(self, generation: int) -> sql.Composed:
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            self.physical(generation), names(self.columns)
        )


def names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def raw(text: str) -> sql.SQL:
    """SQL that a projection's own code wrote."""
    return sql.SQL(text)


def sql_type(hint: Any) -> str:
    """The annotation says it where the Python type does not."""
    if get_origin(hint) is Annotated:
        return str(get_args(hint)[1])
    for part in get_args(hint) or (hint,):
        if part is not type(None):
            return sql_type(part) if get_origin(part) is Annotated else SQL_TYPES.get(part, "text")
    raise TypeError(f"no SQL type for {hint}")
