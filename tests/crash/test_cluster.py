"""Whatever of a cluster is killed under load: what was acknowledged is there once, and nobody else stopped.

`KILL_ROUNDS` says how often each of them is killed; a long run has 20. Here all servers must run on this
machine, with rights to kill and start them.
"""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from psycopg import sql

from projections.generations import live
from projections.history import History
from projections.rebuilding.rebuild import Rebuild
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.store import shard_of
from tests.cluster import COORDINATOR
from tests.conftest import SHARDS
from tests.crash.test_kills import a_random_moment
from tests.crash.witness import Told, Writing, check
from tests.crash.writing import USERS
from tests.nodes import ClusterServer, node_of_each_shard

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
pytestmark = [
    pytest.mark.skipif(COORDINATOR is None, reason="HANSARD_TEST_CITUS leads to no coordinator"),
    pytest.mark.timeout(240 + 60 * ROUNDS),
]
RECOVERED = 150.0
"""Seconds until what was prepared is committed: Citus looks for it once a minute, if not told otherwise."""
PREPARED = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
HELD_UP = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
WAITS = 7
"""An advisory lock."""
WAIT_AT_THE_END = f"""
CREATE OR REPLACE FUNCTION public.wait_at_the_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock({WAITS});
    PERFORM pg_advisory_unlock({WAITS});
    RETURN NULL;
END $$"""
ON_UPDATE = """
CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON {} DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.wait_at_the_end()"""
GENERATIONS = """
SELECT 'hansard.generations_' || shardid FROM pg_dist_shard
WHERE logicalrelid = 'hansard.generations'::regclass"""


@pytest.fixture
def coordinator(dsn: str) -> Iterator[ClusterServer]:
    server = ClusterServer(dsn)
    try:
        yield server
    finally:
        server.start()


def users_of(dsn: str) -> dict[str, set[str]]:
    """By the address of the node on which what they say lies."""
    node_of_shard = node_of_each_shard(dsn)
    found: dict[str, set[str]] = {node: set() for node in node_of_shard.values()}
    for user in USERS:
        found[node_of_shard[shard_of(user, SHARDS)]].add(user)
    assert all(found.values()), "there is a user on every node"
    return found


@contextmanager
def nobody_else_in_trouble(told: Told, users: set[str]) -> Iterator[None]:
    """Whatever went wrong meanwhile was asked by one of these."""
    before = {*told.refused, *told.unknown}
    yield
    troubled = {*told.refused, *told.unknown} - before
    assert {told.asked[name].user for name in troubled} <= users


def test_a_node_that_is_killed_stops_those_alone_whose_words_lie_there(
    dsn: str, nodes: list[ClusterServer]
) -> None:
    told, users = Told(), users_of(dsn)
    with Writing(dsn, told, patience=3.0) as process:
        for _ in range(ROUNDS):
            node = random.choice(nodes)  # noqa: S311
            there = users[node.address]
            told.wait_for_more(random.randint(20, 100))  # noqa: S311
            a_random_moment(0.05)
            with nobody_else_in_trouble(told, there):
                node.kill()
                told.wait_for_more(100, of={*USERS} - there)
                node.start()
                told.wait_for_more(20, of=there)
        process.stop()
    check(dsn, told)


def test_a_coordinator_that_is_killed_loses_and_doubles_nothing(dsn: str, coordinator: ClusterServer) -> None:
    told = Told()
    with Writing(dsn, told) as process:
        for _ in range(ROUNDS):
            told.wait_for_more(random.randint(20, 200))  # noqa: S311
            a_random_moment(0.05)
            coordinator.kill()
            a_random_moment(0.5)
            coordinator.start()
            told.wait_for_more(20)
        process.stop()
    check(dsn, told)


def test_a_node_that_is_killed_between_the_two_phases_of_a_switch_switches_when_it_is_back(
    dsn: str, nodes: list[ClusterServer]
) -> None:
    """Another node is held up in its first phase until this one has ended its own, and is gone."""
    told, users = Told(), users_of(dsn)
    database = Database.open(dsn)
    log = DatabaseLog(database.topology)
    with Writing(dsn, told) as process, ThreadPoolExecutor(1) as thread:
        for number in range(ROUNDS):
            killed, other = random.sample(nodes, 2)
            told.wait_for_more(50)
            with waiting_at_the_end(dsn, other):
                rebuild = Rebuild(partial(database.connect, "replay"), log, [History()], processes=1)
                switching = thread.submit(rebuild.run)
                for node, phase in ((other, HELD_UP), (killed, PREPARED)):
                    with psycopg.connect(node.dsn, autocommit=True) as connection:
                        while connection.execute(phase.encode()).fetchall() == [(0,)]:
                            assert not switching.done()
                killed.kill()
            assert is_part_of_it_away(switching.exception())
            assert generation_of_history(dsn) == 2 + number, "the node was killed after it was switched"
            told.wait_for_more(50, of=users[other.address])
            killed.start()
            told.wait_for_more(20, of=users[killed.address], seconds=RECOVERED)
        process.stop()
    check(dsn, told)


def is_part_of_it_away(error: BaseException | None) -> bool:
    """Dropping what the switch has retired needs every node."""
    return isinstance(error, psycopg.errors.ConnectionFailure)


def generation_of_history(dsn: str) -> int:
    with Database.open(dsn).connect() as connection:
        generation = live(connection, History())
    return generation.number if generation else 0


@contextmanager
def waiting_at_the_end(dsn: str, node: ClusterServer) -> Iterator[None]:
    """No transaction that changes which builds there are ends on this node, until this is over."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        [(table,)] = connection.execute(GENERATIONS).fetchall()
    with psycopg.connect(node.dsn, autocommit=True) as connection:
        connection.execute("SET citus.enable_ddl_propagation = off")
        connection.execute(WAIT_AT_THE_END.encode())
        connection.execute(sql.SQL(ON_UPDATE).format(sql.Identifier(*table.split("."))))
        connection.execute("SELECT pg_advisory_lock(%s)", [WAITS])
        yield
        connection.execute("SELECT pg_advisory_unlock(%s)", [WAITS])
        # Once the transaction that waited for it is over.
        connection.execute(sql.SQL("DROP TRIGGER waits ON {}").format(sql.Identifier(*table.split("."))))
