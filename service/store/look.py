"""Lock and look: what an append needs to know, read under the lane's lock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg.pq.abc import PGresult

from projections.rows.arrays import Array
from projections.rows.exchange import StatementExchange
from service.store.append import Append, Name
from service.store.log import StoredCommand

BEGIN: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED"

LOCK: Final = b"SELECT shard FROM lanes WHERE shard = ANY(%(lane)b::smallint[]) FOR NO KEY UPDATE"
"""A statement of its own: what it waits for must be over before the next one takes its snapshot."""

HEADS: Final = b"""
SELECT l.shard, COALESCE((
    SELECT e.position FROM events e
    WHERE e.shard = l.shard AND e.shard = ANY(%(shards)b::smallint[]) ORDER BY e.position DESC LIMIT 1), 0)
FROM lanes l WHERE l.shard = ANY(%(shards)b::smallint[])"""

CONVERSATIONS: Final = b"""
SELECT given.shard, given.conversation_id, last.version, last.digest
FROM unnest(%(shards)b::smallint[], %(conversations)b::uuid[]) AS given (shard, conversation_id)
CROSS JOIN LATERAL (
    SELECT e.version, e.digest FROM events e
    WHERE e.shard = given.shard AND e.shard = ANY(%(shards)b::smallint[])
        AND e.conversation_id = given.conversation_id
    ORDER BY e.version DESC LIMIT 1
) AS last"""

COMMANDS: Final = b"""
SELECT e.shard, e.command_id, e.conversation_id, e.version, e.position, e.command_digest, e.command_size
FROM unnest(%(shards)b::smallint[], %(commands)b::uuid[]) AS given (shard, command_id)
JOIN events e ON e.shard = given.shard AND e.command_id = given.command_id
WHERE e.shard = ANY(%(shards)b::smallint[])
UNION ALL
SELECT r.shard, r.command_id, r.id, 0::bigint, 0::bigint, r.command_digest, 1
FROM unnest(%(shards)b::smallint[], %(commands)b::uuid[]) AS given (shard, command_id)
JOIN receipts r ON r.shard = given.shard AND r.command_id = given.command_id
WHERE r.shard = ANY(%(shards)b::smallint[]) AND r.kind <> 'conversation'"""
"""An erasure of many conversations is asked for under a key that none of its events has; nothing that is
appended can be the same request."""

IN_STEP: Final = b"""
SELECT c.projection, c.generation, g.version, array_agg(c.shard)
FROM checkpoints c JOIN generations g USING (projection, generation)
WHERE c.shard = ANY(%(shards)b::smallint[]) AND c.position IS NULL
GROUP BY 1, 2, 3"""

PARKED: Final = b"""
SELECT p.projection, p.generation, p.shard, p.conversation_id, p.position
FROM unnest(%(shards)b::smallint[], %(conversations)b::uuid[]) AS given (shard, conversation_id)
JOIN parked p ON p.shard = given.shard AND p.conversation_id = given.conversation_id
WHERE p.shard = ANY(%(shards)b::smallint[])"""

NAMES: Final = b"""
SELECT n.shard, n.user_id, n.name, n.conversation_id
FROM unnest(%(shards)b::smallint[], %(users)b::text[], %(names)b::text[]) AS given (shard, user_id, name)
JOIN names AS n ON n.shard = given.shard AND n.user_id = given.user_id AND n.name = given.name
WHERE n.shard = ANY(%(shards)b::smallint[])"""

AT_PLACE: Final = b"""
SELECT last.digest
FROM unnest(%(shards)b::smallint[], %(conversations)b::uuid[], %(versions)b::bigint[])
    AS given (shard, conversation_id, version)
CROSS JOIN LATERAL (
    SELECT e.digest FROM events e
    WHERE e.shard = given.shard AND e.shard = ANY(%(shards)b::smallint[])
        AND e.conversation_id = given.conversation_id AND e.version <= given.version
    ORDER BY e.version DESC LIMIT 1
) AS last"""
"""The last one up to that place, which only one index suits; of another one the digest is another."""

TYPES: Final = {
    "lane": "smallint",
    "shards": "smallint",
    "conversations": "uuid",
    "commands": "uuid",
    "versions": "bigint",
    "users": "text",
    "names": "text",
}


class Tip(Struct):
    """Where a conversation ends."""

    version: int
    digest: bytes


class InStep(Struct, frozen=True):
    """A build that every append to these shards has to write, or mark as behind."""

    projection: str
    generation: int
    version: str
    shards: frozenset[int]


class Look(Struct):
    heads: dict[int, int]
    tips: dict[tuple[int, UUID], Tip]
    commands: dict[tuple[int, UUID], StoredCommand]
    in_step: list[InStep]
    parked: dict[tuple[str, int], dict[tuple[int, UUID], int]]
    """By build: from which position on each of these conversations is left out of it."""
    digests: set[bytes]
    """Of what earlier attempts may have stored, those that are there."""
    names: dict[Name, UUID] = {}
    """Whose conversation has which of the names that are asked for."""


def lock_and_look(exchange: StatementExchange, lane: int, batch: Iterable[Append], until: float) -> Look:
    """Begins the transaction. One round trip: the statements are sent together."""
    batch = list(batch)
    parts = [part for append in batch for part in append.parts]
    shards = columns(("shards",), {(append.shard,) for append in batch})
    conversations = columns(
        ("shards", "conversations"), {(part.shard, part.conversation_id) for part in parts}
    )
    commands = [(append.shard, append.command.id) for append in batch if append.command]
    doubts = [(a.shard, a.conversation_id, doubt[0].version) for a in batch for doubt in a.doubts]
    names = [part.name for part in parts if part.name]
    lock(exchange, lane)
    exchange.send(HEADS, shards)
    exchange.send(CONVERSATIONS, conversations)
    exchange.send(IN_STEP, shards)
    exchange.send(PARKED, conversations)
    if commands:
        exchange.send(COMMANDS, columns(("shards", "commands"), commands))
    if doubts:
        exchange.send(AT_PLACE, columns(("shards", "conversations", "versions"), doubts))
    if names:
        exchange.send(NAMES, columns(("shards", "users", "names"), names))
    exchange.end_round()
    found = rows_of(exchange, exchange.receive(until)[2:])
    return Look(
        heads=dict(next(found)),
        tips={(shard, id): Tip(version, digest) for shard, id, version, digest in next(found)},
        in_step=[InStep(name, number, version, frozenset(of)) for name, number, version, of in next(found)],
        parked=by_build(next(found)),
        commands={
            (shard, id): StoredCommand(*stored) for shard, id, *stored in (next(found) if commands else ())
        },
        digests={digest for (digest,) in (next(found) if doubts else ())},
        names={(shard, user_id, name): id for shard, user_id, name, id in (next(found) if names else ())},
    )


def lock(exchange: StatementExchange, lane: int) -> None:
    """Begins the transaction, in a round that goes on."""
    exchange.send(BEGIN)
    exchange.send(LOCK, columns(("lane",), [(lane,)]))


def rows_of(exchange: StatementExchange, results: Iterable[PGresult]) -> Iterator[Any]:
    return map(exchange.rows, results)


def by_build(
    parked: Iterable[tuple[str, int, int, UUID, int]],
) -> dict[tuple[str, int], dict[tuple[int, UUID], int]]:
    found: dict[tuple[str, int], dict[tuple[int, UUID], int]] = defaultdict(dict)
    for projection, generation, shard, conversation_id, position in parked:
        found[projection, generation][shard, conversation_id] = position
    return found


def columns(names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> dict[str, bytes | None]:
    """As arrays, by the name of what they are of."""
    values = zip(*rows, strict=True)
    return {name: Array(TYPES[name], column).data for name, column in zip(names, values, strict=True)}
