"""Refuses a connection on which what Hansard asks for does not hold: a pooler stands before the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection

from domain.errors import Refusal

ASKED: Final = "hansard.asked"
"""A setting of ours, which PostgreSQL has only if it was given all others with it."""
LOOK: Final = f"SELECT current_setting('{ASKED}', true), current_setting('search_path'), current_user"
REFUSED: Final = "unsupported startup parameter"
"""PgBouncer's words where it may not drop what it does not know."""


class PoolerBetween(Refusal):
    """The DSN leads to a connection pooler, such as PgBouncer, that {does} what Hansard sets on every
    connection: give one that leads to PostgreSQL itself"""


def check_direct(connection: Connection[Any], schema: str) -> None:
    """Before anything is made or written: without its schema, tables would be made in another one; without
    its role, events could be changed; without its limits, a frozen process would hold its locks for ever."""
    row = connection.execute(LOOK).fetchone()
    asked, search_path, user = row or (None, None, None)
    if asked is None or search_path != schema:
        raise PoolerBetween(does=f"drops (search_path is {search_path}, the role {user})")


@contextmanager
def naming_poolers() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        if REFUSED in str(error):
            raise PoolerBetween(does="refuses") from None
        raise
