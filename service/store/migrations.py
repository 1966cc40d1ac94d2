"""Brings the durable tables up to this code: numbered SQL files, applied once, in order, under a lock."""

import hashlib
from importlib import resources
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection, errors, sql

from domain.errors import Refusal
from service.store.connections import SCHEMA, connect
from service.store.guard import guard
from service.store.layout import lanes
from service.store.topology.distribution import Distribution, distribute
from service.store.topology.found import topology_of

OLDEST_POSTGRESQL: Final = 150000
LOCK: Final = 0x68616E73617264  # "hansard"

HAS_SCHEMA: Final = "SELECT FROM pg_namespace WHERE nspname = %(schema)s"
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

    @property
    def statements(self) -> list[str]:
        """One a call: a cluster takes no more of those that change tables. Each ends where a line does."""
        return [each for each in self.text.split(";\n") if each.strip()]


class MigrationReport(Struct, frozen=True):
    applied: tuple[str, ...]
    shards: int
    lanes: int
    nodes: int
    """0 where everything lies in one server."""
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


def migrate(dsn: str, *, shards: int = 64, distribution: Distribution | None = None) -> MigrationReport:
    """Safe to run at any time, by several at once, and again. `shards` counts only for a new database."""
    with connect(dsn) as connection:
        check_server(connection)
        topology = topology_of(connection)
        connection.execute("SELECT pg_advisory_lock(%(key)s)", {"key": LOCK})
        if connection.execute(HAS_SCHEMA, {"schema": SCHEMA}).fetchone() is None:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        connection.execute(MIGRATIONS_TABLE)
        todo = pending(connection)
        for migration in todo:
            with connection.transaction():
                for statement in migration.statements:
                    connection.execute(statement.encode())
                connection.execute(
                    RECORD,
                    {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
                )
        if connection.execute(LAY_OUT, {"shards": shards}).rowcount:
            connection.execute(LAY_OUT_LANES)
        if distribution is not None:
            topology = distribute(connection, distribution)
        topology.settle(connection)
        guarded = guard(connection, topology)
        laid_out = lanes(connection)
        return MigrationReport(
            tuple(m.name for m in todo),
            sum(map(len, laid_out)),
            len(laid_out),
            len({place.node for place in topology.places(connection)}),
            guarded,
        )


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
