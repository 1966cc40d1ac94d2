"""Which settings hold on the connections that Hansard opens, whatever the database's own are."""

import re
from asyncio import gather

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from service.hansard import pool_of, prepare
from service.privacy.lock import connected
from service.settings.settings import Settings
from service.store.connections import BOUNDS_TRANSACTIONS, KEEPALIVES, Database, connect
from service.store.patience import StorePatience
from service.transfer.tables.source import reading_from
from tests.conftest import SHARDS
from tests.proxy import proxied
from tests.service.api.recording import assistant, at_once, got, said, started, user

LIMITS = ["statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"]
ISOLATION = "default_transaction_isolation"
OURS = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
NAME = re.compile(rb"application_name\0([^\0]+)\0")
SET = "ALTER DATABASE {} SET {} = {}"


def make_hostile(dsn: str, limit: str = "1ms") -> dict[str, str]:
    """Gives the database limits under which nothing could be done, and another isolation. Tells what has to
    hold in spite of them."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(dsn, autocommit=True) as connection:
        bounds = connection.info.server_version >= BOUNDS_TRANSACTIONS
        given = {**dict.fromkeys(LIMITS, limit), ISOLATION: "serializable"}
        if bounds:
            given["transaction_timeout"] = "1s"  # connecting takes a transaction
        for setting, value in given.items():
            connection.execute(sql.SQL(SET).format(sql.Identifier(name), sql.Identifier(setting), value))
    ours = {"idle_in_transaction_session_timeout": "30000", ISOLATION: "read committed"}
    return dict.fromkeys(given, "0") | ours


def test_the_databases_own_settings_hold_on_none_of_our_connections(dsn: str) -> None:
    expected = make_hostile(dsn)
    for opened in (connect(dsn), Database.open(dsn).connect()):
        with opened as connection:
            assert dict(connection.execute(OURS, [list(expected)]).fetchall()) == expected


async def test_nor_on_those_of_a_pool_and_of_whoever_erases(dsn: str) -> None:
    expected, database = make_hostile(dsn), Database.open(dsn)
    reads = {"statement_timeout": f"{database.patience.statement * 1000:.0f}"}
    async with pool_of(database, 1) as pool, pool.connection() as one, connected(database) as other:
        for connection, its in (one, expected | reads), (other, expected):
            found = await connection.execute(OURS, [list(expected)])
            assert dict(await found.fetchall()) == its


def test_nor_where_the_tables_of_others_are_read(dsn: str) -> None:
    limits = list(make_hostile(dsn, "1min").keys() - {ISOLATION})  # they hold until they are lifted
    with reading_from(dsn) as connection:
        assert dict(connection.execute(OURS, [limits]).fetchall()) == dict.fromkeys(limits, "0")


async def test_a_read_that_is_slow_is_ended_by_the_database_and_its_connection_kept(dsn: str) -> None:
    async with pool_of(Database.open(dsn, StorePatience(1.0)), 1) as pool:
        async with pool.connection() as connection:
            before = connection.info.backend_pid
        with pytest.raises(psycopg.errors.QueryCanceled):
            async with pool.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")
        async with pool.connection() as connection:
            assert connection.info.backend_pid == before


async def test_both_ends_of_every_connection_notice_that_the_other_is_gone(dsn: str) -> None:
    database = Database.open(dsn)
    with connect(dsn) as one, database.connect() as other, reading_from(dsn) as foreign:
        async with pool_of(database, 1) as pool, pool.connection() as reader, connected(database) as eraser:
            for opened in (one, other, foreign, reader, eraser):
                given = {each.keyword.decode(): (each.val or b"").decode() for each in opened.pgconn.info}
                assert {name: given[name] for name in KEEPALIVES} == KEEPALIVES


async def test_the_service_opens_no_connection_of_any_other_kind(empty_dsn: str) -> None:
    with proxied(empty_dsn) as proxy:
        prepare(Settings(shards=SHARDS), proxy.dsn)
        async with at_once(proxy.dsn) as (client, _):
            await started(client, user("Hello?"))
            await got(client, "/health/ready")
        names = {name.group(1).decode() for each in proxy.greetings if (name := NAME.search(each))}
        assert names >= {f"hansard {each}" for each in ("writer", "follower", "reader", "shared reader")}
        assert all(b"tcp_user_timeout=15s" in each for each in proxy.greetings)


async def test_a_database_with_such_settings_is_migrated_and_served(empty_dsn: str) -> None:
    make_hostile(empty_dsn)
    prepare(Settings(shards=SHARDS), empty_dsn)
    async with at_once(empty_dsn) as (client, _):
        conversation = await started(client, user("Hello?"))
        await gather(*(said(client, conversation, assistant(f"Hello {number}.")) for number in range(8)))
        found = await got(client, f"/api/conversations/{conversation['id']}/messages")
        assert len(found["messages"]) == 9
