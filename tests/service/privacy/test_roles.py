"""The service may add to the log. Only for as long as it erases may it change anything there, and then only
what erasing empties."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors, sql

from service.privacy.emptying import as_eraser
from service.store.connections import Database
from service.store.guard import REDACTED
from service.store.insert import TYPES
from service.store.roles import ERASER_ROLE
from tests.service.store.appending import asked, started, storing

EMPTIED = set(REDACTED.split(", "))


@pytest.fixture
def database(dsn: str) -> Database:
    with storing(dsn) as store:
        store.append_blocking(asked(store, uuid4(), started()))
    return Database.open(dsn)


def refused(connection: psycopg.Connection[Any], statement: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except errors.InsufficientPrivilege:
        return True
    return False


@pytest.mark.parametrize("column", TYPES)
def test_the_service_cannot_change_a_column_of_the_log(database: Database, column: str) -> None:
    with database.connect() as connection:
        assert refused(connection, f"UPDATE events SET {column} = {column}")  # noqa: S608


@pytest.mark.parametrize("statement", ["DELETE FROM events", "TRUNCATE events", "DROP TABLE events"])
def test_nobody_who_serves_can_remove_from_the_log(database: Database, statement: str) -> None:
    with database.connect() as connection:
        assert refused(connection, statement)
        connection.execute(f"SET ROLE {ERASER_ROLE}".encode())
        assert refused(connection, statement)


@pytest.mark.parametrize("column", TYPES)
def test_the_eraser_changes_what_erasing_empties_and_nothing_else(database: Database, column: str) -> None:
    with database.connect() as connection:
        connection.execute(f"SET ROLE {ERASER_ROLE}".encode())
        assert refused(connection, f"UPDATE events SET {column} = DEFAULT") == (column not in EMPTIED)  # noqa: S608
        for table in ("lanes", "checkpoints", "receipts", "service_keys"):
            assert refused(connection, f"SELECT * FROM {table}")  # noqa: S608
        assert refused(connection, "INSERT INTO events SELECT * FROM events")


async def test_the_role_ends_with_its_transaction(database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.conninfo, autocommit=True) as connection:

        async def role() -> Any:
            return (await (await connection.execute("SELECT current_user")).fetchone() or (None,))[0]

        serving = await role()
        async with as_eraser(connection, database):
            assert await role() == ERASER_ROLE
        assert await role() == serving != ERASER_ROLE


def test_no_digest_can_be_emptied() -> None:
    assert not [column for column in EMPTIED if "digest" in column]
    assert sql.SQL(REDACTED).as_string(None) == REDACTED
