"""Takes one build of a projection one page further: rows and checkpoint in one transaction."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from domain.recorded import Recorded
from projections.following.parking import PARKED, Applying, Skipped, also, skipped, skipped_of
from projections.generations import Generation, named
from projections.log import Log
from projections.projection import Projection
from projections.rows.arrays import Array
from projections.rows.exchange import Failed, StatementExchange
from projections.rows.types import packed

CLAIM: Final = """
    SELECT shard, position FROM checkpoints
    WHERE projection = %(projection)s AND generation = %(number)s
      AND shard = ANY(%(shards)s::smallint[]) AND position IS NOT NULL
    ORDER BY shard
    FOR UPDATE SKIP LOCKED
"""

RELAX: Final = b"SET LOCAL synchronous_commit = off"

MOVE: Final = """
    UPDATE checkpoints AS c SET position = given.position
    FROM unnest(%(shards)s::smallint[], %(positions)s::bigint[]) AS given (shard, position)
    WHERE c.shard = given.shard AND c.shard = ANY(%(shards)s::smallint[])
      AND c.projection = %(projection)s AND c.generation = %(number)s
"""

PUT_IN_STEP: Final = """
    UPDATE checkpoints SET position = NULL
    WHERE projection = %(projection)s AND generation = %(number)s AND shard = ANY(%(shards)s::smallint[])
"""

PATIENCE: Final = 30.0
"""Seconds for the database's answer, where the connection has no patience of its own."""


class Step(Struct, frozen=True):
    """What one transaction brought."""

    events: int = 0
    parked: int = 0
    contested: bool = False
    """Another process had some of the shards in hand."""


def follow_page(
    connection: Connection[Any],
    log: Log,
    projection: Projection,
    generation: Generation,
    shards: Sequence[int],
    limit: int,
    apply: Applying,
    until: Mapping[int, int] | None = None,
) -> Step:
    """Applies the next events of the shards that no other process has in hand.

    They are read once these are claimed: erasing waits for whoever holds a page, and finds its rows then.
    The commit does not wait for the disk. The rows and the checkpoint are one transaction, so a crash loses
    both or neither and the page is done again; the events were durable before they could be read; and nothing
    that builds on these rows can outlive them, since WAL reaches the disk in order.
    """
    with connection.transaction():
        claimed, parked = claim_and_look(connection, generation, shards)
        page = log.pages(connection, claimed, limit, until) if claimed else []
        poison = apply(connection, projection, generation, page, parked) if page else []
        move(connection, generation, ends(page))
    return Step(len(page), len(poison), contested=len(claimed) < len(shards))


def claim_and_look(
    connection: Connection[Any], generation: Generation, shards: Sequence[int]
) -> tuple[dict[int, int], Skipped]:
    """In one round trip: a thread that gives way to a busy one at each of them is soon late."""
    exchange = StatementExchange(connection, prepares=False)
    given = {
        "projection": generation.projection.encode(),
        "number": packed("integer", generation.number),
        "shards": Array("smallint", shards).data,
    }
    exchange.send(RELAX)
    exchange.send(CLAIM.encode(), given)
    exchange.send(PARKED.encode(), given)
    exchange.end_round()
    try:
        until = time.monotonic() + (getattr(connection, "patience", None) or PATIENCE)
        _, claimed, parked = map(exchange.rows, exchange.receive(until))
    except Failed as failed:
        raise failed.error from None
    return dict(claimed), skipped_of(parked)


def put_in_step(
    connection: Connection[Any],
    log: Log,
    projection: Projection,
    generation: Generation,
    shards: Sequence[int],
    limit: int,
    apply: Applying,
) -> Step:
    """Applies the rest under the lane's lock, and leaves what follows to the appends themselves."""
    events = found = 0
    with connection.transaction():
        log.lock(connection, shards)
        claimed = dict(connection.execute(CLAIM, named(generation) | {"shards": list(shards)}).fetchall())
        positions, parked = dict(claimed), skipped(connection, generation, claimed)
        while page := log.pages(connection, positions, limit):
            poison = apply(connection, projection, generation, page, parked)
            parked = also(parked, poison)
            found += len(poison)
            events += len(page)
            positions |= ends(page)
        connection.execute(PUT_IN_STEP, named(generation) | {"shards": list(claimed)})
    return Step(events, found, contested=len(claimed) < len(shards))


def move(connection: Connection[Any], generation: Generation, positions: Mapping[int, int]) -> None:
    if positions:
        given = {"shards": list(positions), "positions": list(positions.values())}
        connection.execute(MOVE, named(generation) | given)


def ends(page: Iterable[Recorded]) -> dict[int, int]:
    """The last position of each shard in a page."""
    return {recorded.shard: recorded.position for recorded in page}
