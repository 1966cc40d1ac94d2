"""Opens the tables of a cluster to being moved from node to node, and closes them again.

Citus moves tables by logical replication, with one subscription for the tables of each owner. It goes on once
the first of these has caught up, and what another one was to bring by then is lost (13.2.2). So all that is
moved belongs to one owner meanwhile. Whoever moves a part past this is stopped by `lanes`: as long as it
publishes nothing, Citus refuses to move what lies beside it, if not told to hold up writes meanwhile.
"""

from typing import Any, Final

from psycopg import Connection, sql

from service.store.owners import GIVE, carry_out, give_to_their_maker, given

ASK_NODES_TOO: Final = "SET citus.propagate_set_commands = 'local'"
"""How long a lock is waited for."""
OWNERS: Final = """
SELECT c.relname::text, pg_get_userbyid(c.relowner)::text, pg_get_userbyid(events.relowner)::text
FROM pg_dist_partition AS p
JOIN pg_class AS c ON c.oid = p.logicalrelid
JOIN pg_class AS events ON events.oid = 'events'::regclass
WHERE c.relnamespace = events.relnamespace AND p.partmethod = 'h' AND c.relowner <> events.relowner
ORDER BY 1"""
PUBLISHES: Final = "SELECT FROM pg_class WHERE oid = 'lanes'::regclass AND relreplident <> 'n'"
LET_WRITE: Final = "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}"
PUBLISH: Final = "ALTER TABLE lanes REPLICA IDENTITY DEFAULT"
PUBLISH_NOTHING: Final = "ALTER TABLE lanes REPLICA IDENTITY NOTHING"


def open_to_moves(connection: Connection[Any]) -> None:
    """Whoever owned a table goes on writing to it."""
    connection.execute(ASK_NODES_TOO)
    statements: list[sql.Composed] = []
    for name, owner, owner_of_events in connection.execute(OWNERS):
        statements += [given(GIVE, name, owner_of_events), given(LET_WRITE, name, owner)]
    carry_out(connection, [*statements, given(PUBLISH)])


def close_to_moves(connection: Connection[Any]) -> None:
    give_to_their_maker(connection)
    publish_nothing(connection)


def publish_nothing(connection: Connection[Any]) -> None:
    connection.execute(ASK_NODES_TOO)
    if connection.execute(PUBLISHES).fetchone() is not None:
        carry_out(connection, [given(PUBLISH_NOTHING)])
