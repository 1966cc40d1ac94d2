"""Opens the tables of a cluster to being moved from node to node, and closes them again.

Citus moves tables by logical replication, with one subscription for the tables of each owner. It goes on once
the first of these has caught up, and what another one was to bring by then is lost (13.2.2). So all that is
moved belongs to one owner meanwhile. Whoever moves a part past this is stopped by `lanes`: as long as it
publishes nothing, Citus refuses to move what lies beside it, if not told to hold up writes meanwhile.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Connection, errors, sql

from domain.errors import Refusal
from service.store.roles import RUNTIME_ROLE

KEY: Final = 0x6D6F76696E67  # "moving"
ATTEMPTS: Final = 10
PATIENCE: Final = "2s"
"""For the locks on all builds: who waits for them holds up those who read."""

BE_ALONE: Final = "SELECT pg_try_advisory_lock(%(key)s)"
BE_OVER: Final = "SELECT pg_advisory_unlock(%(key)s)"
ASK_NODES_TOO: Final = "SET citus.propagate_set_commands = 'local'"
LOCK_TIMEOUT: Final = "SELECT set_config('lock_timeout', %(patience)s, true)"
OWNERS: Final = """
SELECT c.relname::text, pg_get_userbyid(c.relowner)::text, pg_get_userbyid(events.relowner)::text
FROM pg_dist_partition AS p
JOIN pg_class AS c ON c.oid = p.logicalrelid
JOIN pg_class AS events ON events.oid = 'events'::regclass
WHERE c.relnamespace = events.relnamespace AND p.partmethod = 'h' AND c.relowner <> events.relowner
ORDER BY 1"""
BUILDS: Final = """
SELECT b.name, pg_get_userbyid(c.relowner)::text FROM build_tables AS b
JOIN pg_class AS c ON c.oid = to_regclass(b.name) ORDER BY 1"""
HAS_ROLE: Final = "SELECT FROM pg_roles WHERE rolname = %(role)s"
PUBLISHES: Final = "SELECT relreplident <> 'n' FROM pg_class WHERE oid = 'lanes'::regclass"
GIVE: Final = "ALTER TABLE {} OWNER TO {}"
LET_WRITE: Final = "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}"
PUBLISH: Final = "ALTER TABLE lanes REPLICA IDENTITY DEFAULT"
PUBLISH_NOTHING: Final = "ALTER TABLE lanes REPLICA IDENTITY NOTHING"


class MoveUnderWay(Refusal):
    """Parts of the log are being moved already: wait for that"""


class BuildsAreRead(Refusal):
    """Somebody has been reading the projections' tables for longer than they can be waited for: try again
    when exports and replays are done"""


@contextmanager
def alone(connection: Connection[Any]) -> Iterator[None]:
    key = {"key": KEY}
    if connection.execute(BE_ALONE, key).fetchone() != (True,):
        raise MoveUnderWay
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(BE_OVER, key)


def open_to_moves(connection: Connection[Any]) -> None:
    """Whoever owned a table goes on writing to it."""
    connection.execute(ASK_NODES_TOO)
    statements: list[sql.Composed] = []
    for name, owner, owner_of_events in connection.execute(OWNERS):
        statements += [given(GIVE, name, owner_of_events), given(LET_WRITE, name, owner)]
    carry_out(connection, [*statements, given(PUBLISH)])


def close_to_moves(connection: Connection[Any]) -> None:
    """The builds belong to whoever makes and drops them."""
    statements: list[sql.Composed] = []
    if connection.execute(HAS_ROLE, {"role": RUNTIME_ROLE}).fetchone() is not None:
        builds = [name for name, of in connection.execute(BUILDS) if of != RUNTIME_ROLE]
        statements += [given(GIVE, name, RUNTIME_ROLE) for name in builds]
    if connection.execute(PUBLISHES).fetchone() == (True,):
        statements.append(given(PUBLISH_NOTHING))
    if statements:
        connection.execute(ASK_NODES_TOO)
        carry_out(connection, statements)


def carry_out(connection: Connection[Any], statements: Sequence[sql.Composed]) -> None:
    """All of them or none."""
    for _ in range(ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute(LOCK_TIMEOUT, {"patience": PATIENCE})
                for statement in statements:
                    connection.execute(statement)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            continue
        return
    raise BuildsAreRead


def given(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))
