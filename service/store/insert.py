"""Puts rows into `events`: the one statement that adds to the log."""

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection

from projections.rows.apply import COPY_FROM
from projections.rows.arrays import Array

TYPES: Final = {
    "shard": "smallint",
    "conversation_id": "uuid",
    "version": "bigint",
    "position": "bigint",
    "topic": "text",
    "message_id": "text",
    "state": "bytea",
    "state_salt": "bytea",
    "state_digest": "bytea",
    "user_id": "text",
    "actor": "text",
    "person_salt": "bytea",
    "person_digest": "bytea",
    "request_id": "text",
    "command_id": "uuid",
    "command_digest": "bytea",
    "command_size": "integer",
    "recorded_at": "timestamptz",
    "digest": "bytea",
}
COLUMNS: Final = ", ".join(TYPES)
INSERT: Final = (
    f"INSERT INTO events ({COLUMNS}) SELECT * FROM unnest("  # noqa: S608 - of the names above
    + ", ".join(f"%b::{kind}[]" for kind in TYPES.values())
    + ")"
).encode()
COPY: Final = f"COPY events ({COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()

Row = tuple[Any, ...]


def insert(connection: Connection[Any], rows: Sequence[Row]) -> None:
    """Many rows go by COPY, which is twice as fast and cannot be part of a pipeline."""
    if len(rows) < COPY_FROM:
        columns = zip(TYPES.values(), zip(*rows, strict=True), strict=True)
        connection.execute(INSERT, [Array(kind, values) for kind, values in columns])
        return
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(TYPES.values()))
        for row in rows:
            copy.write_row(row)
