"""Brings the durable tables up to this code: numbered SQL files, applied once, in order, under a lock."""

import hashlib
from contextlib import suppress
from importlib import resources
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection, errors, sql

from domain.errors import Refusal
from service.store.connections import ERASER_ROLE, RUNTIME_ROLE, SCHEMA, connect

OLDEST_POSTGRESQL: Final = 150000
LOCK: Final = 0x68616E73617264  # "hansard"

MIGRATIONS_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
APPLIED: Final = "SELECT number, name, checksum FROM migrations ORDER BY number"
RECORD: Final = "INSERT INTO migrations (number, name, checksum) VALUES (%(number)s, %(name)s, %(checksum)s)"
LAY_OUT: Final = """
INSERT INTO layout (shard, lane) SELECT shard, 0 FROM generate_series(0, %(shards)s - 1) AS shard
WHERE NOT EXISTS (SELECT FROM layout)"""
LAY_OUT_LANES: Final = """
INSERT INTO lanes (shard, lane) SELECT shard, lane FROM layout WHERE NOT EXISTS (SELECT FROM lanes)"""
CAN_MAKE_ROLES: Final = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
HAS_ROLE: Final = "SELECT 1 FROM pg_roles WHERE rolname = %(role)s"
REDACTED: Final = "state, state_salt, message_id, user_id, actor, request_id, person_salt"
"""The columns of an event that erasing empties: no digest is among them."""

# FOR UPDATE asks for the right to update one column, though nothing ever updates a lane.
GRANTS: Final = """
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
GRANT SELECT, INSERT ON events TO {role};
GRANT SELECT, UPDATE (lane) ON lanes TO {role};
GRANT SELECT ON migrations, layout TO {role};
GRANT SELECT, INSERT, UPDATE ON service_keys TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON snapshots, generations, build_tables, checkpoints, parked, deferred, drafts, attachments TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON receipts, redactions TO {role};
GRANT SELECT, INSERT, UPDATE (user_id, reader, request_id), DELETE ON reads TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON replays, activity TO {role};
GRANT SELECT, INSERT, DELETE ON names TO {role};
GRANT SELECT, INSERT ON retention_runs TO {role};
GRANT SELECT, INSERT ON incarnations TO {role};
GRANT {role} TO CURRENT_USER;
GRANT USAGE ON SCHEMA {schema} TO {eraser};
GRANT SELECT (shard, conversation_id, version, topic, {redacted}), UPDATE ({redacted}) ON events TO {eraser};
GRANT {eraser} TO CURRENT_USER"""


class DatabaseTooOld(Refusal):
    """The database is PostgreSQL {version}; Hansard needs 15 or newer."""


class DatabaseNotUtf8(Refusal):
    """The database's encoding is {encoding}; Hansard needs UTF8: create the database with ENCODING 'UTF8'."""


class DatabaseIsNewer(Refusal):
    """The database holds migration {name}, which this Hansard does not know: run a newer Hansard."""


class MigrationWasEdited(Refusal):
    """Migration {name} is not the file that was applied to this database: put the released file back."""


class DatabaseNotMigrated(Refusal):
    """The database has not been migrated to this version: run `hansard migrate` first."""


class Migration(Struct, frozen=True):
    number: int
    name: str
    checksum: str
    text: str = ""


class MigrationReport(Struct, frozen=True):
    applied: tuple[str, ...]
    shards: int
    guarded: bool
    """Whether there are roles: one that can only add to the log, and one that can only empty events."""


def migrations() -> list[Migration]:
    files = sorted(
        (f for f in resources.files("service.store").joinpath("schema").iterdir() if f.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [
        Migration(int(f.name[:4]), f.name, hashlib.sha256(f.read_bytes()).hexdigest(), f.read_text("utf-8"))
        for f in files
    ]


def migrate(dsn: str, *, shards: int = 64) -> MigrationReport:
    """Safe to run at any time, by several at once, and again. `shards` counts only for a new database."""
    with connect(dsn) as connection:
        check_server(connection)
        connection.execute("SELECT pg_advisory_lock(%(key)s)", {"key": LOCK})
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        connection.execute(MIGRATIONS_TABLE)
        todo = pending(connection)
        for migration in todo:
            with connection.transaction():
                connection.execute(migration.text.encode())
                connection.execute(
                    RECORD,
                    {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
                )
        connection.execute(LAY_OUT, {"shards": shards})
        connection.execute(LAY_OUT_LANES)
        guarded = guard(connection)
        row = connection.execute("SELECT count(*) FROM layout").fetchone()
        return MigrationReport(tuple(m.name for m in todo), row[0] if row else 0, guarded)


def pending(connection: Connection[Any]) -> list[Migration]:
    """What is still to be applied; refuses a database that does not fit this code."""
    ours = {migration.number: migration for migration in migrations()}
    for number, name, checksum in connection.execute(APPLIED).fetchall():
        if number not in ours:
            raise DatabaseIsNewer(name=name)
        if ours.pop(number).checksum != checksum:
            raise MigrationWasEdited(name=name)
    return list(ours.values())


def check_migrated(connection: Connection[Any]) -> None:
    try:
        todo = pending(connection)
    except errors.UndefinedTable:
        raise DatabaseNotMigrated from None
    if todo:
        raise DatabaseNotMigrated


def check_server(connection: Connection[Any]) -> None:
    if connection.info.server_version < OLDEST_POSTGRESQL:
        raise DatabaseTooOld(version=connection.info.parameter_status("server_version"))
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseNotUtf8(encoding=encoding)


def guard(connection: Connection[Any]) -> bool:
    """Makes the roles and gives them what they need; False where the DSN's user may not make roles."""
    for role in (RUNTIME_ROLE, ERASER_ROLE):
        if connection.execute(HAS_ROLE, {"role": role}).fetchone() is None:
            may = connection.execute(CAN_MAKE_ROLES).fetchone()
            if may is None or not may[0]:
                return False
            with suppress(
                errors.DuplicateObject, errors.UniqueViolation
            ):  # another database was migrated just now
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    names = {
        "schema": sql.Identifier(SCHEMA),
        "role": sql.Identifier(RUNTIME_ROLE),
        "eraser": sql.Identifier(ERASER_ROLE),
        "redacted": sql.SQL(REDACTED),
    }
    try:
        with connection.transaction():
            for grant in GRANTS.split(";"):
                connection.execute(sql.SQL(grant).format(**names))
    except (errors.InsufficientPrivilege, errors.InvalidGrantOperation):
        return False
    return True
