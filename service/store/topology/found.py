"""Finds out in which topology a database is."""

from typing import Any, Final

from psycopg import Connection

from service.store.topology.citus import Citus
from service.store.topology.single import SingleServer
from service.store.topology.topology import Topology

CITUS: Final = "SELECT extversion FROM pg_extension WHERE extname = 'citus'"
VERSION: Final = "SELECT (regexp_match(citus_version(), 'Citus (\\S+)'))[1]"
IS_DISTRIBUTED: Final = (
    "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('events'))"
)


def citus_of(connection: Connection[Any]) -> str | None:
    """Its version, where the database has it."""
    if connection.execute(CITUS).fetchone() is None:
        return None
    row = connection.execute(VERSION).fetchone()
    return row[0] if row else None


def topology_of(connection: Connection[Any]) -> Topology:
    version = citus_of(connection)
    if version is None:
        return SingleServer()
    row = connection.execute(IS_DISTRIBUTED).fetchone()
    return Citus(version) if row is not None and row[0] else SingleServer()
