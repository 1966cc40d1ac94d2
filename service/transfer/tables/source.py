"""The database of the older tables: one view of it throughout, in which nothing can be written."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.json import set_json_loads

from domain.errors import Refusal
from service.store.connections import KEEPALIVES

DRIVER: Final = re.compile(r"^(postgres(?:ql)?)\+\w+://")
"""As in postgresql+asyncpg://, which applications know their database by."""
LIMITS: Final = [
    "lock_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
]
LIFT: Final = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY(%s)"
"""Those that a server of its version knows."""


class CannotBeRead(Refusal):
    """The tables cannot be read: {why}."""


@contextmanager
def reading_from(dsn: str) -> Iterator[Connection[Any]]:
    with naming_errors():
        given: dict[str, Any] = {**KEEPALIVES, **conninfo_to_dict(DRIVER.sub(r"\1://", dsn))}
        connection = psycopg.connect(
            make_conninfo(**given), autocommit=True, application_name="hansard import", connect_timeout=10
        )
        without_limits(connection)
    with connection:
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.adapters.register_loader("date", patient(DateLoader))
        connection.adapters.register_loader("timestamp", patient(TimestampLoader))
        connection.adapters.register_loader("timestamptz", patient(TimestamptzLoader))
        set_json_loads(loads, connection)
        yield connection


def without_limits(connection: Connection[Any]) -> None:
    """Of the database's or the role's own: what is read is stored meanwhile, which takes as long as it takes.
    By statements, since a pooler may stand before the database."""
    connection.execute("SET statement_timeout = 0")  # first, or the next would fall under it
    connection.execute(LIFT, [LIMITS])


@contextmanager
def naming_errors() -> Iterator[None]:
    """So that they are not taken for errors of Hansard's own database."""
    try:
        yield
    except psycopg.Error as error:
        raise CannotBeRead(why=" ".join(str(error).split())) from None


def patient(kind: Any) -> Any:
    """A time that Python does not know is no time, and no reason to stop."""

    class Patient(kind):  # type: ignore[misc]
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except psycopg.DataError:
                return None

    return Patient


def loads(data: str | bytes) -> Any:
    """JSON that is nested too deep stays the text that it is."""
    try:
        return json.loads(data)
    except RecursionError:
        return data if isinstance(data, str) else data.decode()
