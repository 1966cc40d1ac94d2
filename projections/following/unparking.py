"""Tries once more what is parked: for when the code that could not take it has been mended."""

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection

from projections.following.parking import Parked, Poison, apply_carefully, every
from projections.generations import Generation, live, named
from projections.log import Log
from projections.projection import Projection

UNPARK: Final = """
    DELETE FROM parked
    WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(number)s
      AND conversation_id = %(conversation_id)s
    RETURNING position
"""

COVERED: Final = """
    SELECT position FROM checkpoints
    WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(number)s
    FOR UPDATE
"""


class Retried(Struct, frozen=True):
    taken: list[Parked]
    """Conversations that are whole again."""
    still: list[Parked]
    """Conversations that could still not be taken, with the error of this time."""


def retry(connection: Connection[Any], log: Log, projection: Projection) -> Retried:
    """Tries every parked conversation of a projection once more, each in a transaction of its own."""
    generation = live(connection, projection)
    retried = Retried([], [])
    for parked in every(connection):
        if generation and (parked.projection, parked.generation) == (
            generation.projection,
            generation.number,
        ):
            poison = retry_one(connection, log, projection, generation, parked)
            if poison is None:
                retried.taken.append(parked)
            else:
                now = datetime.now(UTC)
                again = replace(parked, position=poison.position, error=poison.error, parked_at=now)
                retried.still.append(again)
    return retried


def retry_one(
    connection: Connection[Any], log: Log, projection: Projection, generation: Generation, parked: Parked
) -> Poison | None:
    """Under the lane's lock, so that the events end where the projection stands."""
    given = named(generation) | {"shard": parked.shard, "conversation_id": parked.conversation_id}
    with connection.transaction():
        log.lock(connection, [parked.shard])
        checkpoint = connection.execute(COVERED, given).fetchone()
        row = connection.execute(UNPARK, given).fetchone()
        if checkpoint is None or row is None:
            return None  # somebody else was quicker, or another generation is live
        events = log.conversation(connection, parked.shard, parked.conversation_id, row[0])
        covered = [each for each in events if checkpoint[0] is None or each.position <= checkpoint[0]]
        poison = apply_carefully(connection, projection, generation, covered, {}) if covered else []
        return poison[0] if poison else None
