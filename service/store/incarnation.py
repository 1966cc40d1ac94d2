"""Which past the log goes on from: what was given before an older backup was restored may name other events
now."""

import secrets
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

TAG_BYTES: Final = 4

CURRENT: Final = """
SELECT number, tag, begun_at, reason FROM incarnations ORDER BY number DESC LIMIT 1"""
BEGIN: Final = """
INSERT INTO incarnations (number, tag, begun_at, reason)
VALUES (%(number)s, %(tag)s, %(begun_at)s, %(reason)s) ON CONFLICT (number) DO NOTHING"""

INCARNATION: ContextVar[str] = ContextVar("incarnation", default="")
"""The tag of the one in which a request is answered."""


class Incarnation(Struct, frozen=True):
    number: int
    tag: str
    begun_at: datetime
    reason: str


def current(connection: Connection[Any]) -> Incarnation:
    with connection.cursor(row_factory=class_row(Incarnation)) as cursor:
        found = cursor.execute(CURRENT).fetchone()
    if found is None:
        raise RuntimeError("the migrations have left no incarnation")
    return found


def begin_another(connection: Connection[Any], known: Incarnation, reason: str) -> Incarnation:
    """After the one that is known. If somebody else has begun it meanwhile, it is that one."""
    given = {
        "number": known.number + 1,
        "tag": secrets.token_hex(TAG_BYTES),
        "begun_at": datetime.now(UTC),
        "reason": reason,
    }
    connection.execute(BEGIN, given)
    return current(connection)
