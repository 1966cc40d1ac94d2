"""Takes what is missing of a parked conversation, some events at a time.

Between two pieces it is parked a little further on. Nobody else touches its rows for as long as it is parked,
so a piece needs no lock that others wait for. The lane's is taken in the end, for what came just now.
"""

from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, errors

from projections.following.parking import Poison, apply_carefully
from projections.generations import Generation, named
from projections.log import Log
from projections.projection import Projection

PIECE: Final = 200

REACHED: Final = """
    SELECT position FROM checkpoints
    WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(number)s
"""

STAND_STILL: Final = f"""{REACHED} FOR UPDATE"""
"""A page that is being applied is in the tables by then."""

BRIEFLY: Final = "SET LOCAL lock_timeout = '200ms'"
"""Whoever has the lane's lock does not wait for a follower that is at a page."""

PARKED_AT: Final = """
    SELECT position FROM parked
    WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(number)s
      AND conversation_id = %(conversation_id)s
    FOR UPDATE
"""

MOVE_ON: Final = """
    UPDATE parked SET position = %(position)s
    WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(number)s
      AND conversation_id = %(conversation_id)s
"""

UNPARK: Final = """
    DELETE FROM parked
    WHERE shard = %(shard)s AND projection = %(projection)s AND generation = %(number)s
      AND conversation_id = %(conversation_id)s
"""


class Missing(Struct, frozen=True):
    """A conversation of which a build has nothing from a position on."""

    projection: Projection
    generation: Generation
    shard: int
    conversation_id: UUID

    @property
    def given(self) -> dict[str, Any]:
        return named(self.generation) | {"shard": self.shard, "conversation_id": self.conversation_id}


class Brought(Struct, frozen=True):
    """By one piece. Without any events, the conversation is as far as the build is."""

    events: int = 0
    poison: Poison | None = None
    gone: bool = False
    """Somebody else was quicker, or another generation is live by now."""


def bring_back(connection: Connection[Any], log: Log, missing: Missing) -> Poison | None:
    """The connection is in autocommit mode. Cut off anywhere, it goes on where it was."""
    while True:
        with connection.transaction():
            brought = take_piece(connection, log, missing, REACHED)
        if not brought.events and not brought.poison and not brought.gone:
            brought = take_rest(connection, log, missing)
        if brought.poison or brought.gone:
            return brought.poison


def take_rest(connection: Connection[Any], log: Log, missing: Missing) -> Brought:
    """Under the locks, so that the events end where the build stands; it is gone from what is parked then."""
    try:
        with connection.transaction():
            if missing.projection.with_append:
                log.lock(connection, [missing.shard])
                connection.execute(BRIEFLY)
            brought = take_piece(connection, log, missing, STAND_STILL)
            if brought.events:  # mostly none; and hardly ever more than one piece
                brought = take_piece(connection, log, missing, STAND_STILL)
            if brought.events or brought.poison or brought.gone:
                return brought
            connection.execute(UNPARK, missing.given)
            return Brought(gone=True)
    except errors.LockNotAvailable:
        return Brought()


def take_piece(connection: Connection[Any], log: Log, missing: Missing, reached: str) -> Brought:
    """In the caller's transaction."""
    checkpoint = connection.execute(reached, missing.given).fetchone()
    parked = connection.execute(PARKED_AT, missing.given).fetchone()
    if checkpoint is None or parked is None:
        return Brought(gone=True)
    events = log.piece(connection, missing.shard, missing.conversation_id, parked[0], PIECE)
    covered = [each for each in events if checkpoint[0] is None or each.position <= checkpoint[0]]
    if not covered:
        return Brought()
    poison = apply_carefully(connection, missing.projection, missing.generation, covered, {})
    if poison:
        return Brought(poison=poison[0])
    connection.execute(MOVE_ON, missing.given | {"position": covered[-1].position + 1})
    return Brought(len(covered))
