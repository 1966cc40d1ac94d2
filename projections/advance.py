"""Takes one build of a projection one page further: rows and checkpoint in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from domain.recorded import Recorded
from projections.generations import Generation, named
from projections.log import Log
from projections.parking import Applying, Poison, skipped
from projections.projection import Projection

CLAIM: Final = """
    SELECT shard, position FROM checkpoints
    WHERE projection = %(projection)s AND generation = %(number)s
      AND shard = ANY(%(shards)s::smallint[]) AND position IS NOT NULL
    ORDER BY shard
    FOR UPDATE SKIP LOCKED
"""

MOVE: Final = """
    UPDATE checkpoints AS c SET position = given.position
    FROM unnest(%(shards)s::smallint[], %(positions)s::bigint[]) AS given (shard, position)
    WHERE c.shard = given.shard AND c.projection = %(projection)s AND c.generation = %(number)s
"""

PUT_IN_STEP: Final = """
    UPDATE checkpoints SET position = NULL
    WHERE projection = %(projection)s AND generation = %(number)s AND shard = ANY(%(shards)s::smallint[])
"""


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

    The commit does not wait for the disk. The rows and the checkpoint are one transaction, so a crash loses
    both or neither and the page is done again; the events were durable before they could be read; and nothing
    that builds on these rows can outlive them, since WAL reaches the disk in order.
    """
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = off")
        claimed = claim(connection, generation, shards)
        page = read_page(connection, log, claimed, limit, until)
        poison = apply_to(connection, projection, generation, page, claimed, apply)
        move(connection, generation, ends(page))
    return Step(len(page), len(poison), contested=len(claimed) < len(shards))


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
    events = parked = 0
    with connection.transaction():
        log.lock(connection, shards)
        claimed = claim(connection, generation, shards)
        positions = dict(claimed)
        while page := read_page(connection, log, positions, limit):
            parked += len(apply_to(connection, projection, generation, page, claimed, apply))
            events += len(page)
            positions |= ends(page)
        connection.execute(PUT_IN_STEP, named(generation) | {"shards": list(claimed)})
    return Step(events, parked, contested=len(claimed) < len(shards))


def claim(connection: Connection[Any], generation: Generation, shards: Sequence[int]) -> dict[int, int]:
    """Locks the checkpoints that nobody else has locked, and gives back where they are."""
    return dict(connection.execute(CLAIM, named(generation) | {"shards": list(shards)}).fetchall())


def read_page(
    connection: Connection[Any],
    log: Log,
    positions: Mapping[int, int],
    limit: int,
    until: Mapping[int, int] | None = None,
) -> list[Recorded]:
    """The next events after these positions, shard by shard."""
    page = list[Recorded]()
    for shard, position in positions.items():
        most = limit - len(page)
        if until is not None:
            most = min(most, until[shard] - position)
        if most > 0:
            page += log.page(connection, shard, position, most)
    return page


def apply_to(
    connection: Connection[Any],
    projection: Projection,
    generation: Generation,
    page: Sequence[Recorded],
    shards: Iterable[int],
    apply: Applying,
) -> list[Poison]:
    if not page:
        return []
    return apply(connection, projection, generation, page, skipped(connection, generation, shards))


def move(connection: Connection[Any], generation: Generation, positions: Mapping[int, int]) -> None:
    if positions:
        given = {"shards": list(positions), "positions": list(positions.values())}
        connection.execute(MOVE, named(generation) | given)


def ends(page: Iterable[Recorded]) -> dict[int, int]:
    """The last position of each shard in a page."""
    return {recorded.shard: recorded.position for recorded in page}
