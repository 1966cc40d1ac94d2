"""A Citus cluster: the shards lie on its nodes, and everybody connects to its coordinator."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from domain.errors import Refusal
from service.store.layout import held_by_nobody
from service.store.owners import MoveUnderWay, alone
from service.store.topology.moves import publish_nothing
from service.store.topology.topology import LanePlace

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

PLACE: Final = "SELECT create_distributed_table(%(table)s, 'shard', colocate_with => 'events')"
PLACES: Final = """
SELECT l.shard, l.lane, get_shard_id_for_distribution_column('events', l.shard) AS lies_in
FROM layout AS l ORDER BY l.shard"""
REFERENCE: Final = "SELECT create_reference_table(%(table)s)"
NOT_PLACED: Final = """
SELECT c.relname::text FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'shard'
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> 'layout'
    AND NOT EXISTS (SELECT FROM pg_dist_partition AS p WHERE p.logicalrelid = c.oid)
ORDER BY 1"""
NOT_REFERENCE: Final = """
SELECT NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = %(table)s::regclass)"""
LEFT_BEHIND: Final = """
SELECT c.relname::text FROM pg_class AS c JOIN pg_dist_partition AS p ON p.logicalrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND p.partmethod = 'h' AND pg_relation_size(c.oid) > 0
ORDER BY 1"""
EMPTY: Final = "SELECT truncate_local_data_after_distributing_table(%(table)s)"
LAY_OUT: Final = """
UPDATE layout AS l SET lane = anew.lane
FROM (SELECT shard, min(shard) OVER (
        PARTITION BY get_shard_id_for_distribution_column('events', shard)) AS lane
    FROM layout) AS anew
WHERE anew.shard = l.shard"""
SMALL: Final = ("generations",)
"""What is joined with tables that are distributed: it is on every node."""
LANES: Final = """
SELECT l.lane, p.shardid AS part, n.nodename || ':' || n.nodeport AS node
FROM (SELECT first AS lane, get_shard_id_for_distribution_column('events', first) AS lies_in
    FROM (SELECT min(shard) AS first FROM layout GROUP BY lane) AS lanes) AS l
JOIN pg_dist_placement AS p ON p.shardid = l.lies_in
JOIN pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = 'primary'
ORDER BY 1"""


class CitusTooOld(Refusal):
    """The database has Citus {version}; Hansard was tried on {oldest} and later: update Citus"""


class LanesDisagree(Refusal):
    """The shards {shards} lie apart from the others of their lane, or with those of another: stop every
    process of Hansard, and run `hansard migrate`"""


class ShardPlace(Struct, frozen=True):
    shard: int
    lane: int
    lies_in: int
    """The number of one of Citus's shards."""


class Citus(Struct, frozen=True):
    version: str

    @property
    def name(self) -> str:
        return f"Citus {self.version}"

    @property
    def parameters(self) -> Mapping[str, str]:
        return PARAMETERS

    @property
    def is_spread(self) -> bool:
        return True

    def settle(self, connection: Connection[Any]) -> None:
        for table in names(connection, NOT_PLACED):
            self.place(connection, table)
        for table in SMALL:
            if connection.execute(NOT_REFERENCE, {"table": table}).fetchone() == (True,):
                connection.execute(REFERENCE, {"table": table})
        for table in names(connection, LEFT_BEHIND):
            connection.execute(EMPTY, {"table": table})
        with suppress(MoveUnderWay), alone(connection):
            publish_nothing(connection)
        if apart_from_their_lanes(connection):
            with held_by_nobody(connection):
                connection.execute(LAY_OUT)

    def place(self, connection: Connection[Any], table: str) -> None:
        connection.execute(PLACE, {"table": table})

    def check(self, connection: Connection[Any]) -> None:
        apart = apart_from_their_lanes(connection)
        if apart:
            raise LanesDisagree(shards=", ".join(map(str, apart)))

    def places(self, connection: Connection[Any]) -> list[LanePlace]:
        return [LanePlace(*row) for row in connection.execute(LANES)]


def check_version(version: str) -> None:
    if tuple(map(int, version.split("-")[0].split(".")[:2])) < OLDEST:
        raise CitusTooOld(version=version, oldest=".".join(map(str, OLDEST)))


def names(connection: Connection[Any], query: str) -> list[str]:
    return [name for (name,) in connection.execute(query)]


def apart_from_their_lanes(connection: Connection[Any]) -> list[int]:
    return apart([ShardPlace(*row) for row in connection.execute(PLACES)])


def apart(places: Sequence[ShardPlace]) -> list[int]:
    """The shards for which layout and placement do not say the same."""
    place_of, lane_of = dict[int, int](), dict[int, int]()
    return [
        each.shard
        for each in places
        if place_of.setdefault(each.lane, each.lies_in) != each.lies_in
        or lane_of.setdefault(each.lies_in, each.lane) != each.lane
    ]
