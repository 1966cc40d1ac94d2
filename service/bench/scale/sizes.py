"""How many bytes each table of a record takes, and each of its indexes."""

from collections import defaultdict
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

TABLES: Final = """
SELECT regexp_replace(c.relname, '_g[0-9]+$', '') AS name, greatest(c.reltuples, 0)::bigint AS rows,
    pg_relation_size(c.oid) AS heap,
    COALESCE(pg_total_relation_size(t.oid), 0) AS apart, greatest(t.reltuples, 0)::bigint AS pieces
FROM pg_class AS c LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.reltuples > 0
ORDER BY pg_total_relation_size(c.oid) DESC"""
INDEXES: Final = """
SELECT regexp_replace(c.relname, '_g[0-9]+$', '') AS of, pg_relation_size(x.indexrelid) AS bytes,
    regexp_replace(i.relname, '_g[0-9]+', '') AS name, a.amname AS kind,
    greatest(i.reltuples, 0)::bigint AS entries
FROM pg_index AS x
JOIN pg_class AS c ON c.oid = x.indrelid
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_am AS a ON a.oid = i.relam
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.reltuples > 0
ORDER BY bytes DESC"""


class IndexSize(Struct, frozen=True):
    of: str
    name: str
    kind: str
    entries: int
    bytes: int


class TableSize(Struct, frozen=True):
    name: str
    rows: int
    heap: int
    apart: int
    """Values that are too long for a row, in a table of their own, with its index."""
    pieces: int
    """Of those values: as many as there are values, or more."""
    indexes: tuple[IndexSize, ...] = ()

    @property
    def indexed(self) -> int:
        return sum(each.bytes for each in self.indexes)

    @property
    def bytes(self) -> int:
        return self.heap + self.apart + self.indexed


class Relation(Struct, frozen=True):
    name: str
    rows: int
    heap: int
    apart: int
    pieces: int


def sizes(connection: Connection[Any]) -> list[TableSize]:
    """The largest first; of tables with rows, as they were counted by ANALYZE."""
    of: dict[str, list[IndexSize]] = defaultdict(list)
    with connection.cursor(row_factory=class_row(IndexSize)) as cursor:
        for index in cursor.execute(INDEXES):
            of[index.of].append(index)
    with connection.cursor(row_factory=class_row(Relation)) as cursor:
        found = cursor.execute(TABLES).fetchall()
    return [
        TableSize(each.name, each.rows, each.heap, each.apart, each.pieces, tuple(of[each.name]))
        for each in found
    ]
