"""Takes one conversation once more from its beginning: for when what the log says of it was rewritten."""

from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from projections.following.parking import apply_carefully
from projections.following.unparking import COVERED, UNPARK
from projections.generations import Generation, named
from projections.log import Log
from projections.projection import Projection
from projections.rows import statements
from projections.rows.arrays import Array

OF_CONVERSATION: Final = ("shard", "conversation_id")


def take_again(
    connection: Connection[Any],
    log: Log,
    projection: Projection,
    generation: Generation,
    shard: int,
    conversation_id: UUID,
) -> None:
    """Under the lane's lock, so that the events end where the projection stands."""
    given = named(generation) | {"shard": shard, "conversation_id": conversation_id}
    with connection.transaction():
        log.lock(connection, [shard])
        checkpoint = connection.execute(COVERED, given).fetchone()
        if checkpoint is None:
            return  # another generation is live by now, and has read what is written there
        for table in projection.tables:
            statement = statements.delete(table, generation.number, OF_CONVERSATION)
            connection.execute(statement, [Array("smallint", [shard]), Array("uuid", [conversation_id])])
        connection.execute(UNPARK, given)
        events = log.conversation(connection, shard, conversation_id, 0)
        covered = [each for each in events if checkpoint[0] is None or each.position <= checkpoint[0]]
        if covered:
            apply_carefully(connection, projection, generation, covered, {})
