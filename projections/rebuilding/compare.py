"""Compares two builds of a projection, table by table, and says in words which rows differ."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import class_row

from projections.generations import Generation
from projections.rows.tables import Table

MOST_EXAMPLES: Final = 5

# A sum does not care about the order of the rows; numeric, for it may be larger than any integer. Not every
# key begins with the shard, so the shards of a lane are summed up in one pass over its rows.
SUMS: Final = """
    SELECT shard, count(*) AS rows, sum(hashtextextended(t::text, 0)::numeric) AS hash
    FROM {table} AS t
    WHERE shard = ANY(%(lane)s::smallint[]) AND {excluded}
    GROUP BY shard
"""

DIFFERENCES: Final = """
    SELECT {key} AS key, built IS NULL AS only_live, live IS NULL AS only_built,
           array_remove(ARRAY[{columns}], NULL) AS columns
    FROM (SELECT * FROM {live} AS t WHERE shard = %(shard)s AND {excluded}) AS live
    FULL JOIN (SELECT * FROM {built} AS t WHERE shard = %(shard)s AND {excluded}) AS built
        ON {same}
    WHERE live::text IS DISTINCT FROM built::text
    ORDER BY 1
    LIMIT %(most)s
"""


class Sums(Struct, frozen=True):
    shard: int
    rows: int
    hash: Any


class RowDifference(Struct, frozen=True):
    key: list[str]
    only_live: bool
    only_built: bool
    columns: list[str]


class Difference(Struct, frozen=True):
    """A row that is not what the log says; what it holds is not told, for it may be anybody's words."""

    table: str
    shard: int
    key: dict[str, str]
    what: str


class Compared(Struct, frozen=True):
    """One table: how many rows there are, and the first that differ."""

    table: str
    rows: int
    differences: list[Difference]
    shards: list[int]
    """Those in which anything differs."""


def compare(
    connection: Connection[Any],
    table: Table,
    live: Generation,
    built: Generation,
    lane: Sequence[int],
    excluded: Sequence[tuple[int, UUID]],
) -> Compared:
    """Sums first, shard by shard; rows only where the sums differ."""
    of_live = sums(connection, table, live, lane, excluded)
    of_built = sums(connection, table, built, lane, excluded)
    shards = sorted(s for s in {*of_live, *of_built} if of_live.get(s) != of_built.get(s))
    found = list[Difference]()
    for shard in shards:
        if len(found) < MOST_EXAMPLES:
            found += differences(connection, table, live, built, shard, excluded)
    rows = sum(each.rows for each in of_live.values())
    return Compared(table.name, rows, found[:MOST_EXAMPLES], shards)


def together(lanes: Sequence[Compared]) -> Compared:
    """One table, of which each lane was compared by itself."""
    return Compared(
        lanes[0].table,
        sum(each.rows for each in lanes),
        [difference for each in lanes for difference in each.differences][:MOST_EXAMPLES],
        sorted(shard for each in lanes for shard in each.shards),
    )


def sums(
    connection: Connection[Any],
    table: Table,
    generation: Generation,
    lane: Sequence[int],
    excluded: Sequence[tuple[int, UUID]],
) -> dict[int, Sums]:
    statement = sql.SQL(SUMS).format(table=table.physical(generation.number), excluded=without(excluded))
    given = conversations(excluded) | {"lane": list(lane)}
    with connection.cursor(row_factory=class_row(Sums)) as cursor:
        return {each.shard: each for each in cursor.execute(statement, given)}


def differences(
    connection: Connection[Any],
    table: Table,
    live: Generation,
    built: Generation,
    shard: int,
    excluded: Sequence[tuple[int, UUID]],
) -> Iterable[Difference]:
    given = conversations(excluded) | {"shard": shard, "most": MOST_EXAMPLES}
    with connection.cursor(row_factory=class_row(RowDifference)) as cursor:
        for found in cursor.execute(difference_query(table, live, built, excluded), given):
            key = dict(zip(table.key, found.key, strict=True))
            yield Difference(table.name, shard, key, in_words(found))


def difference_query(
    table: Table, live: Generation, built: Generation, excluded: Sequence[tuple[int, UUID]]
) -> sql.Composed:
    key = [sql.SQL("COALESCE(live.{0}, built.{0})::text").format(sql.Identifier(name)) for name in table.key]
    columns = [
        sql.SQL("CASE WHEN live.{0}::text IS DISTINCT FROM built.{0}::text THEN {1} END").format(
            sql.Identifier(name), sql.Literal(name)
        )
        for name in table.columns
    ]
    same = [sql.SQL("live.{0} = built.{0}").format(sql.Identifier(name)) for name in table.key]
    return sql.SQL(DIFFERENCES).format(
        key=sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(key)),
        columns=sql.SQL(", ").join(columns),
        live=table.physical(live.number),
        built=table.physical(built.number),
        excluded=without(excluded),
        same=sql.SQL(" AND ").join(same),
    )


def without(excluded: Sequence[tuple[int, UUID]]) -> sql.SQL:
    if not excluded:
        return sql.SQL("true")
    return sql.SQL(
        "(t.shard, t.conversation_id) NOT IN "
        "(SELECT * FROM unnest(%(shards)s::smallint[], %(conversations)s::uuid[]))"
    )


def conversations(excluded: Sequence[tuple[int, UUID]]) -> dict[str, Any]:
    return {"shards": [shard for shard, _ in excluded], "conversations": [each for _, each in excluded]}


def in_words(found: RowDifference) -> str:
    if found.only_live:
        return "is in the live table only: the log has no such row"
    if found.only_built:
        return "is missing in the live table"
    names = ", ".join(found.columns) or "a computed column"
    return f"differs in {names}"
