"""Distributes the tables of a database over the nodes of its Citus cluster."""

from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from domain.errors import Refusal
from service.store.layout import held_by_nobody
from service.store.topology.citus import Citus, check_version
from service.store.topology.found import citus_of, topology_of
from service.store.topology.topology import Topology

SHARDS_A_NODE: Final = 2
"""Of Citus's. Each is a lane, and a lane has a writer in every process: more of them cost appends, fewer
leave nothing to move to a node that comes."""
FEWEST: Final = 4
MOVED_A_SECOND: Final = 3_500_000
"""Bytes of tables and their indexes: 778 MB in 222 s, on two cores that did everything, and more besides."""

NODES: Final = """
SELECT count(*) FILTER (WHERE groupid = 0), count(*) FILTER (WHERE shouldhaveshards)
FROM pg_dist_node WHERE noderole = 'primary' AND isactive"""
HOLDS_EVENTS: Final = "SELECT EXISTS (SELECT FROM events)"
BYTES: Final = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"""
DISTRIBUTE: Final = """
SELECT create_distributed_table('events', 'shard', colocate_with => 'none', shard_count => %(shards)s)"""


class Distribution(Struct, frozen=True):
    """How a database is to be distributed."""

    citus_shards: int | None = None
    """None: some for each node that there is."""
    move_data: bool = False
    """Also where there are events."""


class CitusMissing(Refusal):
    """The database has no Citus: run CREATE EXTENSION citus in it, on the coordinator and on every node"""


class CoordinatorUnknown(Refusal):
    """The cluster does not know its coordinator: run SELECT citus_set_coordinator_host('HOST', PORT) on it,
    with the name and the port by which the nodes reach it"""


class NodesMissing(Refusal):
    """The cluster has no node that takes data: run SELECT citus_add_node('HOST', PORT) on its coordinator,
    for each node"""


class HasToMove(Refusal):
    """The database holds {megabytes:,} MB: give --move-data to have them moved to the nodes. It takes about
    {minutes:,} minutes, in which Hansard is stopped"""


def distribute(connection: Connection[Any], wanted: Distribution) -> Topology:
    """Once more on a database that is distributed already, it changes nothing."""
    version = citus_of(connection)
    if version is None:
        raise CitusMissing
    check_version(version)
    if (topology := topology_of(connection)).is_spread:
        return topology
    shards = shards_for(nodes_of(connection), wanted)
    check_move(connection, wanted)
    topology = Citus(version)
    with held_by_nobody(connection), connection.transaction():
        connection.execute(DISTRIBUTE, {"shards": shards})
        topology.settle(connection)
    return topology


def nodes_of(connection: Connection[Any]) -> int:
    """That data can lie on."""
    coordinators, nodes = connection.execute(NODES).fetchone() or (0, 0)
    if not coordinators:
        raise CoordinatorUnknown
    if not nodes:
        raise NodesMissing
    return int(nodes)


def shards_for(nodes: int, wanted: Distribution) -> int:
    return wanted.citus_shards or max(FEWEST, nodes * SHARDS_A_NODE)


def check_move(connection: Connection[Any], wanted: Distribution) -> None:
    row = connection.execute(HOLDS_EVENTS).fetchone()
    if row is not None and row[0] and not wanted.move_data:
        (size,) = connection.execute(BYTES).fetchone() or (0,)
        raise HasToMove(megabytes=int(size) // 2**20, minutes=-(-int(size) // (MOVED_A_SECOND * 60)))
