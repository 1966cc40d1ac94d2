"""Takes conversations once more from their beginning, in pieces: for when what the log says of them is
rewritten.

First each is set aside: parked at its beginning, and its rows go. From then on no append and no follower
has anything to do with it. Once the log is rewritten, its rows are brought back. What was cut off is begun
anew.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection, errors, sql

from projections.errors import ASIDE
from projections.following.bringing_back import BRIEFLY, STAND_STILL, Missing, bring_back
from projections.following.parking import PARK
from projections.generations import Generation, live, named
from projections.log import Log
from projections.projection import Projection
from projections.rows.tables import Table, names

ROWS: Final = 1_000
"""That go at once."""
REST: Final = 0.05

DELETE_SOME: Final = """
    DELETE FROM {table} AS t USING (
        SELECT {key} FROM {table}
        WHERE shard = %(shard)s AND conversation_id = ANY(%(conversation_ids)s) LIMIT %(rows)s
    ) AS found
    WHERE t.shard = %(shard)s AND {same}
"""


Refolding = Callable[[Connection[Any], Log, Projection, int, Sequence[UUID]], None]
"""One of the next two."""


def set_aside(
    connection: Connection[Any],
    log: Log,
    projection: Projection,
    shard: int,
    conversation_ids: Sequence[UUID],
) -> None:
    """In the build that is live: they are not in it any more when this returns, and do not come back by
    themselves."""
    generation = live(connection, projection)
    if generation is None:
        return
    while not park_aside(connection, log, projection, generation, shard, conversation_ids):
        time.sleep(REST)
    for table in projection.tables:
        delete_rows(connection, table, generation, shard, conversation_ids)


def take_again(
    connection: Connection[Any],
    log: Log,
    projection: Projection,
    shard: int,
    conversation_ids: Sequence[UUID],
) -> None:
    """From what the log says of them now."""
    set_aside(connection, log, projection, shard, conversation_ids)
    generation = live(connection, projection)
    if generation is not None:
        for conversation_id in conversation_ids:
            bring_back(connection, log, Missing(projection, generation, shard, conversation_id))


def park_aside(
    connection: Connection[Any],
    log: Log,
    projection: Projection,
    generation: Generation,
    shard: int,
    conversation_ids: Sequence[UUID],
) -> bool:
    """False where a follower is at a page, which nobody is to wait for who has the lane's lock."""
    given = named(generation) | {"shard": shard, "position": 0, "error": ASIDE, "now": datetime.now(UTC)}
    try:
        with connection.transaction():
            if projection.with_append:
                log.lock(connection, [shard])
                connection.execute(BRIEFLY)
            if connection.execute(STAND_STILL, given).fetchone() is not None:
                for conversation_id in conversation_ids:
                    connection.execute(PARK, given | {"conversation_id": conversation_id})
            return True
    except errors.LockNotAvailable:
        return False


def delete_rows(
    connection: Connection[Any],
    table: Table,
    generation: Generation,
    shard: int,
    conversation_ids: Sequence[UUID],
) -> None:
    statement = sql.SQL(DELETE_SOME).format(
        table=table.physical(generation.number),
        key=names(table.key),
        same=sql.SQL(" AND ").join(
            sql.SQL("t.{0} = found.{0}").format(sql.Identifier(column)) for column in table.key
        ),
    )
    given = {"shard": shard, "conversation_ids": list(conversation_ids), "rows": ROWS}
    with suppress(errors.UndefinedTable):  # a replay has just dropped it
        while connection.execute(statement, given).rowcount == ROWS:
            pass
