"""Reads the log: one conversation, one message's events, a shard in order, and where every shard ends."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any, Final, cast
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection, Connection

from domain.errors import EventUnreadable
from domain.recorded import Recorded, Unreadable
from projections.log import few_at_once
from service.store.codec import decode
from service.store.layout import Lanes, lanes
from service.store.topology.single import SingleServer
from service.store.topology.topology import Topology

PAGE_BYTES: Final = 8 * 1024 * 1024
PIECE_BYTES: Final = 1024 * 1024
ROWS_AT_ONCE: Final = 100
"""So many rows of a page are taken from the driver at once: few enough to stay in the processor's cache."""
END: Final = 2**63 - 1
"""Further than any position."""

COLUMNS: Final = (
    "shard, position, conversation_id, version, topic, state, recorded_at, user_id, actor, request_id"
)
HEADS: Final = """
SELECT l.shard, COALESCE((
    SELECT e.position FROM events AS e
    WHERE e.shard = l.shard AND e.shard = ANY(%(shards)s) ORDER BY e.position DESC LIMIT 1), 0)
FROM lanes AS l WHERE l.shard = ANY(%(shards)s) ORDER BY l.shard"""
"""Of one lane's shards: what is asked of several is asked of each."""
LOCK: Final = "SELECT shard FROM lanes WHERE shard = %(lane)s FOR NO KEY UPDATE"
"""A lane at a time, always in the same order."""
PAGE: Final = f"""
SELECT {COLUMNS} FROM (
    SELECT {COLUMNS}, sum(octet_length(state)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
        - COALESCE(octet_length(state), 0) AS before
    FROM (SELECT {COLUMNS} FROM events WHERE shard = %(shard)s AND position > %(after)s
          ORDER BY position LIMIT %(limit)s) AS page
) AS measured
WHERE before IS NULL OR before < %(bytes)s
ORDER BY position"""  # noqa: S608
PAGES: Final = f"""
SELECT {COLUMNS} FROM (
    SELECT {COLUMNS}, sum(octet_length(state)) OVER (
        ORDER BY shard, position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (SELECT page.*
          FROM lanes AS l
          CROSS JOIN LATERAL (
              SELECT {COLUMNS} FROM events AS e
              WHERE e.shard = l.shard AND e.shard = ANY(%(shards)s::smallint[])
                  AND e.position > (%(after)s::bigint[])[l.shard + 1]
                  AND e.position <= (%(until)s::bigint[])[l.shard + 1]
              ORDER BY e.position LIMIT %(each)s) AS page
          WHERE l.shard = ANY(%(shards)s::smallint[])) AS pages
) AS measured
WHERE before IS NULL OR before < %(bytes)s
ORDER BY shard, position"""  # noqa: S608
AT: Final = f"""
SELECT {COLUMNS} FROM events WHERE shard = %(shard)s AND position = ANY(%(positions)s) ORDER BY position"""  # noqa: S608
PIECE: Final = f"""
SELECT {COLUMNS} FROM (
    SELECT {COLUMNS}, sum(octet_length(state)) OVER (
        ORDER BY version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (SELECT {COLUMNS} FROM events
          WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND position >= %(position)s
          ORDER BY version LIMIT %(limit)s) AS page
) AS measured
WHERE before IS NULL OR before < %(bytes)s
ORDER BY version"""  # noqa: S608
CONVERSATION_AFTER_VERSION: Final = f"""
SELECT {COLUMNS} FROM events
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND version > %(version)s
ORDER BY version LIMIT %(limit)s"""  # noqa: S608
MESSAGES: Final = f"""
SELECT message_id, {COLUMNS} FROM events
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND message_id = ANY(%(message_ids)s)
ORDER BY version"""  # noqa: S608
PLACE_OF_MESSAGE: Final = """
SELECT position FROM events
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND message_id = %(message_id)s
    AND user_id = %(user_id)s
ORDER BY version LIMIT 1"""
PLACE_OF_CONVERSATION: Final = """
SELECT max(position) FROM events
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s
    AND (user_id = %(user_id)s OR user_id IS NULL)
    AND split_part(topic, '.', 1) IN ('conversation_started', 'message_added', 'message_revised')"""
COMMAND: Final = """
SELECT conversation_id, version, position, command_digest, command_size
FROM events WHERE shard = %(shard)s AND command_id = %(command_id)s
UNION ALL
SELECT id, 0::bigint, 0::bigint, command_digest, 1
FROM receipts WHERE shard = %(shard)s AND command_id = %(command_id)s AND kind <> 'conversation'"""
"""An erasure of many conversations is asked for under a key that none of its events has."""


ONE_SERVER: Final = SingleServer()

Row = tuple[Any, ...]


class StoredCommand(Struct, frozen=True):
    """What an append that named a command has stored."""

    conversation_id: UUID
    version: int
    position: int
    digest: bytes
    size: int


class DatabaseLog:
    """Keeps the contract that projections have with the log."""

    def __init__(self, topology: Topology = ONE_SERVER) -> None:
        self._topology = topology

    def lanes(self, connection: Connection[Any]) -> Lanes:
        return lanes(connection)

    def shards(self, connection: Connection[Any]) -> list[int]:
        return sorted(chain(*lanes(connection)))

    def servers(self, connection: Connection[Any]) -> list[list[int]]:
        node_of = {place.lane: place.node for place in self._topology.places(connection)}
        found: dict[str | None, list[int]] = defaultdict(list)
        for lane in lanes(connection):
            found[node_of.get(lane[0])] += lane
        return list(found.values())

    def heads(self, connection: Connection[Any]) -> dict[int, int]:
        return dict(chain.from_iterable(heads_of(connection, lane).items() for lane in lanes(connection)))

    def heads_of(self, connection: Connection[Any], lane: Sequence[int]) -> dict[int, int]:
        return heads_of(connection, lane)

    def page(self, connection: Connection[Any], shard: int, after: int, limit: int) -> Generator[Recorded]:
        given = {"shard": shard, "after": after, "limit": limit, "bytes": PAGE_BYTES}
        rows = connection.cursor(binary=True).stream(PAGE.encode(), given, size=ROWS_AT_ONCE)
        with closing(cast(Generator[Row], rows)):  # it says that it is less
            yield from map(recorded, rows)

    def pages(
        self,
        connection: Connection[Any],
        after: Mapping[int, int],
        limit: int,
        until: Mapping[int, int] | None = None,
    ) -> list[Recorded]:
        given = {
            "shards": list(after),
            "after": by_shard(after),
            "until": by_shard({shard: END if until is None else until[shard] for shard in after}),
            "each": -(-limit // max(1, len(after))),
            "bytes": PAGE_BYTES,
        }
        return [recorded(row) for row in binary(connection, PAGES, given)]

    def at(self, connection: Connection[Any], shard: int, positions: Sequence[int]) -> list[Recorded]:
        given = {"shard": shard, "positions": list(positions)}
        return [recorded(row) for row in binary(connection, AT, given)]

    def piece(
        self, connection: Connection[Any], shard: int, conversation_id: UUID, from_position: int, limit: int
    ) -> list[Recorded]:
        given = {"shard": shard, "conversation_id": conversation_id, "position": from_position}
        most = {"limit": limit, "bytes": PIECE_BYTES}
        return [recorded(row) for row in binary(connection, PIECE, given | most)]

    def place(self, connection: Connection[Any], table: str) -> None:
        self._topology.place(connection, table)

    def lock(self, connection: Connection[Any], shards: Iterable[int]) -> None:
        wanted = set(shards)
        for lane in lanes(connection):
            if wanted.intersection(lane):
                connection.execute(LOCK, {"lane": lane[0]})


def heads_of(connection: Connection[Any], lane: Sequence[int]) -> dict[int, int]:
    parts = few_at_once(lane)
    return {shard: head for part in parts for shard, head in connection.execute(HEADS, {"shards": part})}


def by_shard(values: Mapping[int, int]) -> list[int | None]:
    """An array in which each shard has its place, for a statement that has no more of it than its number."""
    return [values.get(shard) for shard in range(max(values, default=-1) + 1)]


def binary(connection: Connection[Any], query: str, given: dict[str, Any]) -> Iterable[Row]:
    return connection.cursor(binary=True).execute(query.encode(), given).fetchall()


def recorded(row: Row) -> Recorded:
    """A row of COLUMNS. What cannot be decoded becomes an event that says so: it must not hide the others."""
    shard, position, conversation_id, version, topic, state, recorded_at, user_id, actor, request_id = row
    try:
        event = decode(topic, state)
    except EventUnreadable as broken:
        event = Unreadable(topic=topic, error=str(broken))
    return Recorded(shard, position, conversation_id, version, event, recorded_at, user_id, actor, request_id)


async def conversation_after(
    connection: AsyncConnection[Any], shard: int, conversation_id: UUID, version: int, limit: int
) -> list[Recorded]:
    given = {"shard": shard, "conversation_id": conversation_id, "version": version, "limit": limit}
    cursor = connection.cursor(binary=True)
    await cursor.execute(CONVERSATION_AFTER_VERSION.encode(), given)
    return [recorded(row) for row in await cursor.fetchall()]


async def events_of_messages(
    connection: AsyncConnection[Any], shard: int, conversation_id: UUID, message_ids: Sequence[str]
) -> dict[str, list[Recorded]]:
    possible = [each for each in message_ids if "\0" not in each]  # or the database cannot even be asked
    given = {"shard": shard, "conversation_id": conversation_id, "message_ids": possible}
    cursor = connection.cursor(binary=True)
    await cursor.execute(MESSAGES.encode(), given)
    found: dict[str, list[Recorded]] = defaultdict(list)
    for message_id, *row in await cursor.fetchall():
        found[message_id].append(recorded(tuple(row)))
    return found


async def stored_command(
    connection: AsyncConnection[Any], shard: int, command_id: UUID
) -> StoredCommand | None:
    cursor = connection.cursor(binary=True)
    await cursor.execute(COMMAND.encode(), {"shard": shard, "command_id": command_id})
    row = await cursor.fetchone()
    return StoredCommand(*row) if row else None


async def place_of_message(
    connection: AsyncConnection[Any], shard: int, user_id: str, conversation_id: UUID, message_id: str
) -> int | None:
    """The position at which it was added, whether or not it has been removed since."""
    given = {
        "shard": shard,
        "user_id": user_id,
        "conversation_id": conversation_id,
        "message_id": message_id,
    }
    row = await (await connection.execute(PLACE_OF_MESSAGE, given)).fetchone()
    return None if row is None else row[0]


async def place_of_conversation(
    connection: AsyncConnection[Any], shard: int, user_id: str, conversation_id: UUID
) -> int | None:
    """The position of its last activity, also where it has been erased since and names nobody any more."""
    given = {"shard": shard, "user_id": user_id, "conversation_id": conversation_id}
    row = await (await connection.execute(PLACE_OF_CONVERSATION, given)).fetchone()
    return None if row is None else row[0]
