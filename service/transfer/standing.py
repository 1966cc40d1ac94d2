"""What is here already of the conversations that an import brings."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.recorded import Recorded
from projections.rows.arrays import Array
from service.store.append import Append
from service.store.log import recorded

TIPS: Final = b"""
SELECT e.shard, e.conversation_id, e.version, e.topic, e.user_id
FROM (
    SELECT l.shard, given.conversation_id, (
        SELECT max(v.version) FROM events AS v
        WHERE v.shard = l.shard AND v.shard = ANY(%(shards)b::smallint[])
            AND v.conversation_id = given.conversation_id) AS version
    FROM lanes AS l
    JOIN unnest(%(shards)b::smallint[], %(conversations)b::uuid[]) AS given (shard, conversation_id)
        ON given.shard = l.shard
    WHERE l.shard = ANY(%(shards)b::smallint[])
) AS tip
JOIN events AS e USING (shard, conversation_id, version)
WHERE e.shard = ANY(%(shards)b::smallint[])"""

EVENTS: Final = b"""
SELECT e.shard, e.position, e.conversation_id, e.version, e.topic, e.state, e.recorded_at,
    e.user_id, e.actor, e.request_id
FROM unnest(%(shards)b::smallint[], %(conversations)b::uuid[], %(versions)b::bigint[])
    AS given (shard, conversation_id, version)
JOIN events AS e USING (shard, conversation_id, version)
WHERE e.shard = ANY(%(shards)b::smallint[])"""

Place = tuple[int, UUID]


class TipHere(Struct, frozen=True):
    """Where a conversation ends here."""

    version: int
    topic: str
    user_id: str | None


class ImportState(Struct):
    """One conversation that an import brings, while it does."""

    shard: int
    here: int = 0
    """Its last version that was here before."""
    stopped: bool = False
    """Nothing more of it is taken, for a reason that was told."""
    read: int = 0
    """Its last version that the import has brought."""
    added: bool = False
    counted: bool = False
    last: Append | None = None
    """The last append of it that was sent, which the next one goes on from."""
    where: str = ""


def tips(connection: Connection[Any], places: Iterable[Place]) -> dict[Place, TipHere]:
    shards, conversations = zip(*places, strict=True)
    given = {"shards": Array("smallint", shards), "conversations": Array("uuid", conversations)}
    rows = connection.cursor(binary=True).execute(TIPS, given).fetchall()
    return {(shard, conversation_id): TipHere(*tip) for shard, conversation_id, *tip in rows}


def events_at(connection: Connection[Any], places: Sequence[tuple[int, UUID, int]]) -> list[Recorded]:
    shards, conversations, versions = zip(*places, strict=True)
    given = {
        "shards": Array("smallint", shards),
        "conversations": Array("uuid", conversations),
        "versions": Array("bigint", versions),
    }
    return list(map(recorded, connection.cursor(binary=True).execute(EVENTS, given).fetchall()))
