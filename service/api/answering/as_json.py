"""The wire's shapes as SQL: of a row, PostgreSQL writes the very bytes that msgspec writes of a Struct."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from projections.rows.tables import Table

TIME: Final = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
WRITTEN: Final = {
    "json": "{}",
    "bigint": "{}",
    "text": "to_json({})",
    "boolean": "to_json({})",
    "uuid": "{}",
    "timestamptz": TIME,
}
QUOTED: Final = ("uuid", "timestamptz")
"""The types of which that is not JSON yet."""

Piece = tuple[bool, str]
"""Of the arguments of concat: whether it is text as it stands, and the text or the SQL."""


class Column(Struct, frozen=True):
    """Where the value of a field comes from."""

    sql: str
    kind: str
    may_be_null: bool = False


def as_json(shape: type[Struct], columns: Mapping[str, Column]) -> str:
    """An expression whose value is a text."""
    pieces = [(True, "{"), *pieces_of(shape, columns), (True, "}")]
    arguments: list[str] = []
    for is_text, group in groupby(pieces, lambda piece: piece[0]):
        if is_text:
            arguments.append(literal("".join(text for _, text in group)))
        else:
            arguments += [sql for _, sql in group]
    return f"concat({', '.join(arguments)})"


def pieces_of(shape: type[Struct], columns: Mapping[str, Column]) -> Iterator[Piece]:
    """A field that may be unset is left out where its column is NULL, and where it has none. None of those is
    the first, which has no comma before it."""
    comma = ""
    for field in msgspec.structs.fields(shape):
        name = f'{comma}"{field.encode_name}":'
        comma = ","
        if field.default is not UNSET:
            yield True, name
            yield from value_of(columns[field.name])
        elif (column := columns.get(field.name)) is not None:
            left_out_if_null = replace(column, may_be_null=False)
            yield False, " || ".join(map(as_sql, ((True, name), *value_of(left_out_if_null))))


def value_of(column: Column) -> Iterator[Piece]:
    written = WRITTEN[column.kind].format(column.sql)
    if column.kind in QUOTED:
        yield from ((True, '"'), (False, written), (True, '"'))
    elif column.may_be_null:
        yield False, f"COALESCE({written}::text, 'null')"
    else:
        yield False, written


def as_sql(piece: Piece) -> str:
    is_text, content = piece
    return literal(content) if is_text else f"({content})::text"


def literal(text: str) -> str:
    """In a statement whose braces stand for tables."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    return f"'{doubled}'"


def columns_of(table: Table, renamed: Mapping[str, str], alias: str = "") -> dict[str, Column]:
    """A table's own, by the names of the fields."""
    hints = get_type_hints(table.row)
    found = {
        name: Column(alias + name, kind, may_be_null(hints[name])) for name, kind in table.columns.items()
    }
    return found | {field: found[column] for field, column in renamed.items()}


def may_be_null(hint: Any) -> bool:
    return type(None) in get_args(hint)
