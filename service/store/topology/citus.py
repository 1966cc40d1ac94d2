"""A Citus cluster: the shards lie on its nodes, and everybody connects to its coordinator."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from domain.errors import Refusal
from service.store.topology.topology import StorageNode

OLDEST: Final = (13, 2)
"""The first that this code was run on."""

PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # A plan that was made for any shards asks all nodes, from the sixth time on that it is asked for.
        "plan_cache_mode": "force_custom_plan",
        # A lock_timeout that is set for one transaction counts on the nodes too.
        "citus.propagate_set_commands": "local",
        # A machine that is gone says nothing; whoever appends has five seconds.
        "citus.node_connection_timeout": "2000",
    }
)

IS_COORDINATOR: Final = "SELECT groupid = 0 FROM pg_dist_local_group"
PLACE: Final = "SELECT create_distributed_table(%(table)s, 'shard', colocate_with => 'events')"
LANES: Final = """
SELECT l.shard, l.lane, get_shard_id_for_distribution_column('events', l.shard) AS lies_in
FROM layout AS l ORDER BY l.shard"""
NODES: Final = """
SELECT n.nodename, n.nodeport, array_agg(l.shard ORDER BY l.shard)
FROM layout AS l
JOIN pg_dist_placement AS p ON p.shardid = get_shard_id_for_distribution_column('events', l.shard)
JOIN pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = 'primary'
GROUP BY 1, 2 ORDER BY 1, 2"""


class CitusTooOld(Refusal):
    """The database has Citus {version}; Hansard was tried on {oldest} and later: update Citus"""


class NotTheCoordinator(Refusal):
    """The DSN leads to a node of a Citus cluster: give one that leads to its coordinator"""


class LanesDisagree(Refusal):
    """The shards {shards} lie apart from the others of their lane, or with those of another: stop every
    process of Hansard, and run `hansard migrate`"""


class Citus(Struct, frozen=True):
    version: str

    @property
    def parameters(self) -> Mapping[str, str]:
        return PARAMETERS

    def place(self, connection: Connection[Any], table: str) -> None:
        connection.execute(PLACE, {"table": table})

    def check(self, connection: Connection[Any]) -> None:
        check_version(self.version)
        check_coordinator(connection)
        apart = apart_from_their_lanes(connection)
        if apart:
            raise LanesDisagree(shards=", ".join(map(str, apart)))

    def nodes(self, connection: Connection[Any]) -> list[StorageNode]:
        found = connection.execute(NODES).fetchall()
        return [StorageNode(f"{name}:{port}", shards) for name, port, shards in found]


def check_version(version: str) -> None:
    if tuple(map(int, version.split("-")[0].split(".")[:2])) < OLDEST:
        raise CitusTooOld(version=version, oldest=".".join(map(str, OLDEST)))


def check_coordinator(connection: Connection[Any]) -> None:
    row = connection.execute(IS_COORDINATOR).fetchone()
    if row is None or not row[0]:
        raise NotTheCoordinator


def apart_from_their_lanes(connection: Connection[Any]) -> list[int]:
    """The shards for which layout and placement do not say the same."""
    rows = connection.execute(LANES).fetchall()
    place_of_lane = {lane: place for _, lane, place in reversed(rows)}
    lane_of_place = {place: lane for _, lane, place in reversed(rows)}
    return [
        shard for shard, lane, place in rows if place_of_lane[lane] != place or lane_of_place[place] != lane
    ]
