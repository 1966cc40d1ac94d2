"""A Citus cluster in place of the one PostgreSQL, where HANSARD_TEST_CITUS leads to its coordinator."""

import os
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from service.store.topology.citus import Citus
from service.store.topology.distribution import Distribution
from service.store.topology.single import SingleServer
from service.store.topology.topology import Topology

COORDINATOR: Final = os.environ.get("HANSARD_TEST_CITUS")
TOPOLOGY: Final[Topology] = SingleServer() if COORDINATOR is None else Citus("13.2")
"""Of all databases that were migrated already for a test."""
DISTRIBUTION: Final = None if COORDINATOR is None else Distribution()
ACTIVITY: Final = "pg_stat_activity" if COORDINATOR is None else "citus_stat_activity"
"""Of the sessions on all nodes."""

APART: Final = "lays shards out anew that lie in one place"
ONE_SERVER: Final = {
    "tests/projections/following/test_lanes.py": APART,
    "tests/projections/rebuilding/test_lanes.py": APART,
    "tests/service/api/test_changes.py::test_an_append_is_looked_for_once": "reads one server's log",
    "tests/service/api/test_lanes.py": APART,
    "tests/service/audit/test_lanes.py": APART,
    "tests/service/cli/test_erase.py::test_after_a_restore": "copies a database that is in use",
    "tests/service/privacy/test_lanes.py": APART,
    "tests/service/replies/test_lanes.py": APART,
    "tests/service/store/test_lanes.py": APART,
    "tests/service/store/test_layout.py::test_one_server_has_one_lane": "is about one server",
    "tests/service/store/test_layout.py::test_a_process_that_began_with_another_layout": APART,
    "tests/service/store/test_migrations.py::test_where_no_roles_can_be_made": "takes the roles from all",
    "tests/service/store/test_poolers.py": "needs the socket of a server of its own",
    "tests/service/store/topology/test_topology.py::test_a_database_of_one_server": "is about one server",
    "tests/service/store/topology/test_topology.py::test_it_cannot_be_distributed": "is about one server",
    "tests/service/test_health.py::test_a_lane": APART,
    "tests/service/verify/test_verify.py::test_an_event_in_a_shard_that": "moves a row to another shard",
}
"""What means nothing on a cluster, and why: the tests whose names begin so."""

NODES: Final = "SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid"
CONNECTED: Final = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
DISCONNECT: Final = "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s"


class Cluster:
    """A server to the tests, with each database on all of its nodes."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        with psycopg.connect(dsn) as connection:
            self._nodes = connection.execute(NODES).fetchall()

    def servers(self, database: str | None = None) -> list[str]:
        """The coordinator first."""
        nodes = [{"host": host, "port": port} for host, port in self._nodes[1:]]
        name = {} if database is None else {"dbname": database}
        return [make_conninfo(self.dsn, **node, **name) for node in [{}, *nodes]]

    def join(self, database: str) -> None:
        """One database of what has been one on each node."""
        servers = self.servers(database)
        execute(servers, sql.SQL("CREATE EXTENSION citus").format())
        with psycopg.connect(servers[0], autocommit=True) as connection:
            connection.execute("SELECT citus_set_coordinator_host(%s, %s)", self._nodes[0])
            for node in self._nodes[1:]:
                connection.execute("SELECT citus_add_node(%s, %s)", node)

    def keep_out(self, database: str) -> None:
        """Nobody is connected to it any more, Citus itself neither: so it can be copied, or dropped."""
        closed = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(database))
        execute(self.servers(), closed)
        for server in self.servers():
            with psycopg.connect(server, autocommit=True) as connection:
                while connection.execute(CONNECTED, [database]).fetchall():
                    connection.execute(DISCONNECT, [database])


def execute(servers: Sequence[str], statement: sql.Composed) -> None:
    for server in servers:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement)


def reason_to_leave_out(test: str) -> str | None:
    return next((why for name, why in ONE_SERVER.items() if test.startswith(name)), None)
