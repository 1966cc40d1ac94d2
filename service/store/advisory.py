"""Locks that have no row of their own: named by a number, and held by a connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Connection

TRY: Final = "SELECT pg_try_advisory_lock(%(key)s)"
LET_GO: Final = "SELECT pg_advisory_unlock(%(key)s)"


@contextmanager
def trying(connection: Connection[Any], key: int) -> Iterator[bool]:
    """Whether it was free, and is held from now on."""
    given = {"key": key}
    is_held = connection.execute(TRY, given).fetchone() == (True,)
    try:
        yield is_held
    finally:
        if is_held and not connection.closed:
            connection.execute(LET_GO, given)
