"""A lane that cannot be reached while the others can, on one PostgreSQL: as where a node of many is down.

There the coordinator's session lives on, and each statement about what lies on that node fails with 08006.
Here a policy of every table says the same of that lane's rows, in the coordinator's words.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg

from service.store.connections import connect
from service.store.roles import RUNTIME_ROLE

LANES = 3
DOWN = 1
"""The lane that can be put out of reach."""

PREPARE = """
UPDATE layout SET lane = shard % 3;
CREATE TABLE outage (is_now boolean NOT NULL, seconds integer NOT NULL);
INSERT INTO outage VALUES (false, 0);
CREATE FUNCTION is_reachable(shard smallint) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    IF shard % 3 = 1 AND (SELECT is_now FROM hansard.outage) THEN
        PERFORM pg_sleep(seconds) FROM hansard.outage;
        RAISE 'connection to the remote node me@10.0.0.1:5432 failed with the following error: %', 'refused'
            USING ERRCODE = '08006';
    END IF;
    RETURN true;
END $$"""
TABLES = """
SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'shard'
WHERE c.relnamespace = 'hansard'::regnamespace AND c.relkind = 'r' AND c.relname <> 'layout'"""


def lie_apart(dsn: str) -> None:
    """Before a process begins: its shards are in three lanes, and one of them can be put out of reach."""
    with connect(dsn) as connection:
        for statement in PREPARE.split(";\n", 3):
            connection.execute(statement.encode())
        for (table,) in connection.execute(TABLES.encode()).fetchall():
            connection.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())
            policy = f"CREATE POLICY reach ON {table} TO {RUNTIME_ROLE} USING (is_reachable(shard))"
            connection.execute(policy.encode())


def is_down(shard: int) -> bool:
    return shard % LANES == DOWN


def one_lane_down(dsn: str) -> AbstractContextManager[None]:
    """Whoever asks it is refused at once."""
    return outage(dsn, 0)


def one_lane_silent(dsn: str) -> AbstractContextManager[None]:
    """Whoever asks it waits: its server is frozen, or the way to it is broken."""
    return outage(dsn, 60)


@contextmanager
def outage(dsn: str, seconds: int) -> Iterator[None]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE hansard.outage SET is_now = true, seconds = %s", [seconds])
        try:
            yield
        finally:
            connection.execute("UPDATE hansard.outage SET is_now = false")
