"""Tries once more what is parked: for when the code that could not take it has been mended."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection

from projections.following.bringing_back import Missing, bring_back
from projections.following.parking import Parked, waiting
from projections.generations import live
from projections.log import Log
from projections.projection import Projection


class Retried(Struct, frozen=True):
    taken: list[Parked]
    """Conversations that are whole again."""
    still: list[Parked]
    """Conversations that could still not be taken, with the error of this time."""


def retry(connection: Connection[Any], log: Log, projection: Projection) -> Retried:
    """Tries every parked conversation of a projection once more."""
    generation = live(connection, projection)
    retried = Retried([], [])
    for parked in [each for lane in log.lanes(connection) for each in waiting(connection, lane)]:
        if generation and (parked.projection, parked.generation) == (
            generation.projection,
            generation.number,
        ):
            missing = Missing(projection, generation, parked.shard, parked.conversation_id)
            poison = bring_back(connection, log, missing)
            if poison is None:
                retried.taken.append(parked)
            else:
                now = datetime.now(UTC)
                again = replace(parked, position=poison.position, error=poison.error, parked_at=now)
                retried.still.append(again)
    return retried
