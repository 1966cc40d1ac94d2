"""Finds out in which topology a database is."""

from typing import Any, Final

from psycopg import Connection

from domain.errors import Refusal
from service.store.topology.citus import Citus, check_version
from service.store.topology.single import SingleServer
from service.store.topology.topology import Topology

HAS_CITUS: Final = "SELECT FROM pg_extension WHERE extname = 'citus'"
CITUS: Final = """
SELECT (regexp_match(citus_version(), 'Citus (\\S+)'))[1], groupid = 0 FROM pg_dist_local_group"""
IS_DISTRIBUTED: Final = "SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('events')"


class NotTheCoordinator(Refusal):
    """The DSN leads to a node of a Citus cluster: give one that leads to its coordinator"""


def citus_of(connection: Connection[Any]) -> str | None:
    """Its version, where the database has it."""
    if connection.execute(HAS_CITUS).fetchone() is None:
        return None
    version, is_coordinator = connection.execute(CITUS).fetchone() or ("", False)
    if not is_coordinator:
        raise NotTheCoordinator
    return str(version)


def topology_of(connection: Connection[Any]) -> Topology:
    version = citus_of(connection)
    if version is None or connection.execute(IS_DISTRIBUTED).fetchone() is None:
        return SingleServer()
    check_version(version)
    return Citus(version)
