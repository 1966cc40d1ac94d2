"""Reads the record as it stands at one moment, and gives it out as the lines of an export.

Conversations are found first, each by its first event and its last; then their events are read, so many
conversations at a time, in the order of the file. Both are done by the database, a page at a time, so that
neither the size of the record nor a reader who takes his time needs memory here.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, LiteralString
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, IsolationLevel, sql

from domain.errors import EventUnreadable
from domain.events import ConversationErased
from domain.recorded import Foreign
from projections.rows.arrays import Array
from service.store.codec import CODEC, decode, topic_of
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.store import shard_of
from service.transfer.file.lines import (
    EVERYTHING,
    Carried,
    FileTally,
    Line,
    Opaque,
    Selection,
    encode,
    header_of,
    trailer_of,
)

TOGETHER: Final = 500
"""Conversations whose events are read by one statement; one user's are never parted."""
ROWS: Final = 100
"""Events that are held at once: each may be as long as a message may be."""
BLOCK: Final = 64 * 1024
DIRECTORY_PAGE: Final = 2_000

DIRECTORY: Final = """
SELECT user_id, shard, conversation_id, erased FROM (
    SELECT CASE WHEN last.topic <> %(erased)s THEN last.user_id END AS user_id,
        first.shard, first.conversation_id, last.topic = %(erased)s AS erased
    FROM events AS first
    CROSS JOIN LATERAL (
        SELECT e.topic, e.user_id FROM events AS e
        WHERE e.shard = first.shard AND e.conversation_id = first.conversation_id AND e.topic = ANY(%(ours)s)
            {last}
        ORDER BY e.version DESC LIMIT 1
    ) AS last
    WHERE first.version = 1 AND first.topic = ANY(%(begins)s) {first}
) AS found
ORDER BY user_id COLLATE "C" NULLS FIRST, conversation_id, shard"""
OF_USER: Final = """
    AND first.shard = %(shard)s AND first.user_id = %(user_id)s
    AND last.user_id = %(user_id)s AND last.topic <> %(erased)s"""
OF_SHARD: Final = "AND e.shard = %(shard)s"
"""Also where the last event is looked for: what `first` says of its shard counts for no other table."""
OF_CONVERSATION: Final = "AND first.conversation_id = %(conversation_id)s"
AFTER: Final = """
    AND last.topic <> %(erased)s AND last.user_id COLLATE "C" > %(after)s"""

EVENTS: Final = """
SELECT given.number, e.conversation_id, e.version, e.topic, e.state, e.recorded_at, e.actor, e.request_id,
    e.command_id, e.command_digest, e.command_size
FROM unnest(%(numbers)s::integer[], %(shards)s::smallint[], %(conversations)s::uuid[])
    AS given (number, shard, conversation_id)
JOIN events AS e USING (shard, conversation_id)
WHERE e.shard = ANY(%(shards)s::smallint[])
ORDER BY given.number, e.position"""

STARTED: Final = "conversation_started"
OURS: Final = sorted({*CODEC.types, *CODEC.upcasters})
ERASED: Final = topic_of(ConversationErased)
BEGINS: Final = [topic for topic in OURS if topic.partition(".")[0] == STARTED]

Count = Callable[[int], None]


class ExportEntry(Struct, frozen=True):
    """One conversation to be exported."""

    user_id: str | None
    """Whose it is now, which all of its events say."""
    shard: int
    conversation_id: UUID
    erased: bool


def uncounted(events: int) -> None:
    pass


def export(
    database: Database,
    selection: Selection = EVERYTHING,
    tally: FileTally | None = None,
    count: Count = uncounted,
) -> Iterator[bytes]:
    """The file, in blocks of whole lines. Given the tally of one that was cut off, the rest of it."""
    begin = b""
    if tally is None:
        tally = FileTally()
        begin = header_of(selection)
        tally.header(begin)
    block = bytearray(begin)
    with snapshot(database) as connection:
        for line in lines(connection, selection):
            raw = encode(line) + b"\n"
            tally.line(raw, line.version, line.event)
            count(1)
            block += raw
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
    yield bytes(block) + trailer_of(tally)


@contextmanager
def snapshot(database: Database) -> Iterator[Connection[Any]]:
    """All that is read in it is of one moment."""
    with database.connect("hansard export") as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            yield connection


def lines(connection: Connection[Any], selection: Selection) -> Iterator[Line]:
    for together in batches(directory(connection, selection)):
        yield from lines_of(connection, together)


def directory(connection: Connection[Any], selection: Selection) -> Iterator[ExportEntry]:
    given: dict[str, Any] = {"erased": ERASED, "ours": OURS, "begins": BEGINS}
    parts: list[LiteralString] = []
    if selection.user_id is not None:
        parts.append(OF_USER)
        given |= {"user_id": selection.user_id, "shard": shard_of(selection.user_id, shards(connection))}
    if selection.conversation_id is not None:
        parts.append(OF_CONVERSATION)
        given |= {"conversation_id": selection.conversation_id}
    if selection.after is not None:
        parts.append(AFTER)
        given |= {"after": selection.after}
    statement = sql.SQL(DIRECTORY).format(
        first=sql.SQL("\n").join(map(sql.SQL, parts)),
        last=sql.SQL("" if selection.user_id is None else OF_SHARD),
    )
    with connection.cursor("directory") as cursor:
        cursor.execute(statement, given, binary=True)
        while page := cursor.fetchmany(DIRECTORY_PAGE):
            for row in page:
                yield ExportEntry(*row)


def shards(connection: Connection[Any]) -> int:
    return len(DatabaseLog().shards(connection))


def batches(entries: Iterable[ExportEntry]) -> Iterator[list[list[ExportEntry]]]:
    """Each list within is of conversations whose events are told together, in the order of the log."""
    batch: list[list[ExportEntry]] = []
    size = 0
    for _, told_together in groupby(
        entries, lambda entry: entry.user_id or (entry.conversation_id, entry.shard)
    ):
        batch.append(list(told_together))
        size += len(batch[-1])
        if size >= TOGETHER:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def lines_of(connection: Connection[Any], batch: list[list[ExportEntry]]) -> Iterator[Line]:
    numbered = [(number, entry) for number, entries in enumerate(batch) for entry in entries]
    entry_of = {(number, entry.conversation_id): entry for number, entry in numbered}
    given = {
        "numbers": Array("integer", [number for number, _ in numbered]),
        "shards": Array("smallint", [entry.shard for _, entry in numbered]),
        "conversations": Array("uuid", [entry.conversation_id for _, entry in numbered]),
    }
    with connection.cursor("events") as cursor:
        cursor.execute(EVENTS, given, binary=True)
        while page := cursor.fetchmany(ROWS):
            for number, *row in page:
                yield line_of(entry_of[number, row[0]], *row)


def line_of(
    entry: ExportEntry,
    conversation_id: UUID,
    version: int,
    topic: str,
    state: bytes | None,
    recorded_at: datetime,
    actor: str | None,
    request_id: str | None,
    command_id: UUID | None,
    command_digest: bytes | None,
    command_size: int | None,
) -> Line:
    event: Any = None
    redacted = command = opaque = None
    recorded_at = recorded_at.astimezone(UTC)
    if entry.erased:
        # Between its last event and the emptying of the others, they are not for anybody either.
        state, actor, request_id = state if topic == ERASED else None, None, None
    elif command_id is not None and command_digest is not None and command_size is not None:
        command = Carried(command_id, command_digest, command_size)
    if state is None:
        redacted, command = topic, None
    else:
        try:
            event = decode(topic, state)
        except EventUnreadable:
            event = Foreign(topic, state)
        if isinstance(event, Foreign):
            event, opaque = None, Opaque(topic, bytes(state))
    return Line(
        conversation_id,
        version,
        recorded_at,
        entry.user_id,
        actor,
        request_id,
        command,
        event,
        redacted,
        opaque,
    )
