"""What `migrate` makes of a database, and which databases it refuses."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pglast
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service.store.connections import Database, connect
from service.store.migrations import (
    DatabaseIsNewer,
    DatabaseNotMigrated,
    DatabaseNotUtf8,
    Migration,
    MigrationWasEdited,
    migrate,
    migrations,
)
from service.store.store import Store, shard_of
from tests.service.store.appending import rows

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'hansard'::regnamespace AND relkind = 'r'"
KEYS = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY k.place)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid,
        unnest(i.indkey) WITH ORDINALITY AS k (number, place), pg_attribute a
    WHERE i.indisprimary AND c.relnamespace = 'hansard'::regnamespace
        AND a.attrelid = c.oid AND a.attnum = k.number
    GROUP BY 1"""
THE_SAME_EVERYWHERE = {
    "migrations",
    "generations",
    "build_tables",
    "service_keys",
    "replays",
    "activity",
    "retention_runs",
    "incarnations",
}


def test_migrating_twice_changes_nothing_the_second_time(empty_dsn: str) -> None:
    first = migrate(empty_dsn, shards=16)
    assert first.applied == tuple(each.name for each in migrations())
    again = migrate(empty_dsn, shards=64)
    assert (again.applied, again.shards) == ((), 16), "the number of shards is fixed when a database is made"


def test_several_that_migrate_at_once_do_it_once(empty_dsn: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(lambda _: migrate(empty_dsn), range(4)))
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, len(migrations())]


def test_a_migration_that_was_edited_after_it_was_applied_is_refused(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute("UPDATE migrations SET checksum = 'another' WHERE number = 1")
    with pytest.raises(MigrationWasEdited, match=r"0001_log\.sql is not the file that was applied"):
        migrate(dsn)


def test_a_database_of_a_newer_hansard_is_refused(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_later.sql', '')")
    with pytest.raises(DatabaseIsNewer, match=r"9999_later\.sql"):
        migrate(dsn)


def test_a_service_does_not_start_on_a_database_that_is_not_migrated(empty_dsn: str) -> None:
    with pytest.raises(DatabaseNotMigrated, match="run `hansard migrate` first"):
        Store(Database.open(empty_dsn))


def test_a_database_in_another_encoding_is_refused(empty_dsn: str) -> None:
    with connect(empty_dsn) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute(
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"
        )
        try:
            with pytest.raises(DatabaseNotUtf8, match="LATIN1"):
                migrate(make_conninfo(empty_dsn, dbname="latin"))
        finally:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


@pytest.fixture
def modest_dsn(empty_dsn: str) -> Iterator[str]:
    """As somebody who owns the database and may not make roles, on a server without the runtime role."""
    name = conninfo_to_dict(empty_dsn)["dbname"]
    with connect(empty_dsn) as connection:
        connection.execute("CREATE ROLE modest LOGIN")
        connection.execute(f'ALTER DATABASE "{name}" OWNER TO modest'.encode())
        connection.execute("ALTER ROLE hansard_runtime RENAME TO hansard_runtime_elsewhere")
        try:
            yield make_conninfo(empty_dsn, user="modest")
        finally:
            connection.execute("ALTER ROLE hansard_runtime_elsewhere RENAME TO hansard_runtime")
            connection.execute("DROP SCHEMA IF EXISTS hansard CASCADE")
            connection.execute(f'ALTER DATABASE "{name}" OWNER TO current_user'.encode())
            connection.execute("DROP OWNED BY modest")
            connection.execute("DROP ROLE modest")


def test_where_no_roles_can_be_made_it_is_said_and_everything_else_works(dsn: str, modest_dsn: str) -> None:
    """`dsn` is here so that the runtime role exists, to be out of the way."""
    assert not migrate(modest_dsn).guarded
    database = Database.open(modest_dsn)
    assert database.role is None
    Store(database)


def test_every_table_that_grows_is_keyed_by_shard(dsn: str) -> None:
    """So it can be distributed by it. The search's key ends with it: see there."""
    keys = dict(rows(dsn, KEYS))
    assert set(keys) == {name for (name,) in rows(dsn, TABLES)}
    assert {name for name, key in keys.items() if "shard" not in key} == THE_SAME_EVERYWHERE
    assert {name for name, key in keys.items() if key[0] != "shard"} == {*THE_SAME_EVERYWHERE, "search_g1"}


def test_a_users_shard_is_the_same_for_ever() -> None:
    """Whoever changes this loses every conversation that there is."""
    assert [shard_of(user, 64) for user in ("ann", "bob", "", "émile", "user123")] == SHARDS_FOR_EVER


SHARDS_FOR_EVER = [37, 18, 52, 18, 38]


def test_what_a_restore_gave_to_whoever_restored_is_given_back(dsn: str) -> None:
    """By `pg_restore --no-owner`: the service could not read it, and no replay could drop it."""
    with connect(dsn) as connection:
        connection.execute("ALTER TABLE history_g1 OWNER TO CURRENT_USER")
        connection.execute("REVOKE ALL ON history_g1 FROM hansard_runtime")
    migrate(dsn)
    with Database.open(dsn).connect() as runtime:
        assert runtime.execute("SELECT count(*) FROM history_g1").fetchone() == (0,)
        runtime.execute("DROP TABLE history_g1")


@pytest.mark.parametrize("migration", migrations(), ids=lambda migration: migration.name)
def test_each_statement_of_a_migration_is_one(migration: Migration) -> None:
    for statement in migration.statements:
        assert len(pglast.parse_sql(statement)) == 1
