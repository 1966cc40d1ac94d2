"""Reads one shard, or one conversation, as it stood at one moment, and tells what is wrong in it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, IsolationLevel, errors, sql
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from projections.conversations import CONVERSATIONS
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.whereabouts import all_whereabouts
from service.verify.chains import EventRow, follow
from service.verify.faults import MOST_LISTED, Fault, Faults, missing
from service.verify.named import check_names

PAGE: Final = 2_000

ELSEWHERE: Final = """
SELECT shard, conversation_id, version, position FROM events
WHERE shard < 0 OR shard >= %(shards)s ORDER BY shard, position LIMIT %(limit)s"""
GAPS: Final = """
SELECT position, before FROM (
    SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS before
    FROM events WHERE shard = %(shard)s
) AS neighbours
WHERE position <> before + 1 ORDER BY position LIMIT %(limit)s"""
HEAD: Final = "SELECT COALESCE(max(position), 0) FROM events WHERE shard = %(shard)s"
BEYOND: Final = """
SELECT projection, generation, position FROM checkpoints
WHERE shard = %(shard)s AND position > %(head)s ORDER BY 1, 2"""
TOO_FAR: Final = """
SELECT DISTINCT c.projection FROM checkpoints AS c
WHERE c.position > (SELECT COALESCE(max(e.position), 0) FROM events AS e WHERE e.shard = c.shard)
ORDER BY 1"""
HOLES: Final = """
SELECT shard FROM events GROUP BY shard HAVING count(*) <> max(position) OR min(position) <> 1 ORDER BY 1"""
LIVE: Final = "SELECT generation FROM generations WHERE projection = %(projection)s AND stage = 'live'"
REMEMBERED: Final = """
SELECT r.conversation_id, r.version, COALESCE(t.version, 0)
FROM {remembering} AS r
LEFT JOIN (
    SELECT conversation_id, max(version) AS version FROM events WHERE shard = %(shard)s GROUP BY 1
) AS t USING (conversation_id)
WHERE r.shard = %(shard)s AND r.version > COALESCE(t.version, 0)
ORDER BY 1 LIMIT %(limit)s"""
ROWS: Final = sql.SQL("SELECT {} FROM events WHERE shard = %(shard)s {} ORDER BY conversation_id, version")
COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, EventRow._fields))
OF_SHARD: Final = ROWS.format(COLUMNS, sql.SQL(""))
OF_CONVERSATION: Final = ROWS.format(COLUMNS, sql.SQL("AND conversation_id = %(conversation_id)s"))

Count = Callable[[int], None]


def uncounted(events: int) -> None:
    pass


class Verified(Struct, frozen=True):
    """What was looked at, and what is wrong with it: the first faults, and how many there are in all."""

    events: int
    conversations: int
    faults: tuple[Fault, ...] = ()
    total: int = 0

    def __add__(self, other: "Verified") -> "Verified":
        return Verified(
            self.events + other.events,
            self.conversations + other.conversations,
            (*self.faults, *other.faults)[:MOST_LISTED],
            self.total + other.total,
        )


def verify_shard(connection: Connection[Any], shard: int, shards: int, count: Count = uncounted) -> Verified:
    """All of it as it stood at one moment: positions, what is remembered elsewhere, and every chain."""
    faults = Faults()
    with as_of_now(connection):
        check_positions(connection, shard, faults)
        generations = live_generations(connection)
        for remembering in remembering_tables(generations):
            check_remembered(connection, shard, remembering, faults)
        check_names(connection, shard, generations, faults)
        rows = Rows(connection, OF_SHARD, {"shard": shard}, count)
        conversations = follow(shard, shards, rows, faults)
    return Verified(rows.read, conversations, tuple(faults.listed), faults.total)


def verify_conversation(connection: Connection[Any], conversation_id: UUID) -> Verified:
    """One conversation's chain, wherever it lies; no events where there is no such conversation."""
    faults, read = Faults(), 0
    given = {"conversation_id": conversation_id}
    with as_of_now(connection):
        shards = len(DatabaseLog().shards(connection))
        found = [each.shard for each in all_whereabouts(connection, shards, conversation_id)]
        for shard in found:
            rows = Rows(connection, OF_CONVERSATION, given | {"shard": shard}, uncounted)
            follow(shard, shards, rows, faults)
            read += rows.read
        for shard in found[1:]:
            faults.add(Fault(f"it lies in shard {found[0]} too", shard, conversation_id))
    return Verified(read, min(1, len(found)), tuple(faults.listed), faults.total)


def verify_lanes(connection: Connection[Any], shards: Collection[int]) -> Verified:
    """That they are 0, 1, 2, …, and that no events lie elsewhere, where nobody would ever look."""
    count = max(shards, default=-1) + 1
    gone = "its row in layout or in lanes is missing, so that its events belong to no shard"
    faults = [Fault(gone, shard) for shard in range(count) if shard not in shards]
    with as_of_now(connection):
        rows = connection.execute(ELSEWHERE, {"shards": count, "limit": MOST_LISTED}).fetchall()
    faults += [Fault("there is no such shard", *row) for row in rows]
    return Verified(0, 0, tuple(faults[:MOST_LISTED]), len(faults))


def read_too_far(connection: Connection[Any]) -> list[str]:
    """The projections that have read events which are not there any more."""
    return [projection for (projection,) in connection.execute(TOO_FAR).fetchall()]


def with_holes(connection: Connection[Any]) -> list[int]:
    """The shards whose positions are not 1, 2, 3, …"""
    return [shard for (shard,) in connection.execute(HOLES).fetchall()]


def check_positions(connection: Connection[Any], shard: int, faults: Faults) -> None:
    for position, before in connection.execute(GAPS, {"shard": shard, "limit": MOST_LISTED}).fetchall():
        if position <= before:
            faults.add(Fault("this position is taken more than once, or is none", shard, position=position))
        else:
            what = f"{missing('position', before + 1, position - 1)}: something was removed"
            faults.add(Fault(what, shard, position=before + 1))
    head = connection.execute(HEAD, {"shard": shard}).fetchone()
    last = head[0] if head else 0
    for projection, generation, position in connection.execute(BEYOND, {"shard": shard, "head": last}):
        what = f"the log ends here, but {projection} (generation {generation}) has read up to {position}"
        faults.add(Fault(what, shard, position=last))


def live_generations(connection: Connection[Any]) -> list[int]:
    """Of the conversations."""
    rows = connection.execute(LIVE, {"projection": CONVERSATIONS.name}).fetchall()
    return [generation for (generation,) in rows]


def remembering_tables(generations: Iterable[int]) -> list[sql.Identifier]:
    """What knows how far each conversation had come, beside the log itself."""
    return [sql.Identifier("snapshots"), *map(CONVERSATIONS.physical, generations)]


def check_remembered(connection: Connection[Any], shard: int, table: sql.Identifier, faults: Faults) -> None:
    """Removing a conversation's last events breaks no chain; but something has seen them."""
    try:
        with connection.transaction():
            statement = sql.SQL(REMEMBERED).format(remembering=table)
            rows = connection.execute(statement, {"shard": shard, "limit": MOST_LISTED}).fetchall()
    except errors.UndefinedTable:
        return  # a replay has just dropped it, and made another
    for conversation_id, version, last in rows:
        seen = table.as_string(connection).strip('"')
        what = f"{missing('version', last + 1, version)} at its end: {seen} has seen version {version}"
        faults.add(Fault(what, shard, conversation_id, last + 1))


class Rows:
    """A page at a time, so that memory stays flat; counts what it reads."""

    def __init__(
        self, connection: Connection[Any], query: sql.Composed, given: dict[str, Any], count: Count
    ) -> None:
        self.read = 0
        self._connection = connection
        self._query = query
        self._given = given
        self._count = count

    def __iter__(self) -> Iterator[EventRow]:
        with self._connection.cursor("verify", row_factory=lambda cursor: EventRow._make) as cursor:
            cursor.execute(self._query, self._given, binary=True)
            while page := cursor.fetchmany(PAGE):
                self.read += len(page)
                yield from page
                self._count(len(page))


@contextmanager
def reading(database: Database) -> Iterator[Connection[Any]]:
    """A connection that gives the columns of events as they are, where a Row wants them so."""
    with database.connect("hansard verify") as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # Only binary results are read so: the other statements' rows are text.
        connection.adapters.register_loader("uuid", ByteaBinaryLoader)
        connection.adapters.register_loader("timestamptz", Int8BinaryLoader)
        yield connection


@contextmanager
def as_of_now(connection: Connection[Any]) -> Iterator[None]:
    """One snapshot for all that is read in it."""
    with connection.transaction():
        yield
