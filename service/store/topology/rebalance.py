"""Moves parts of the log to the nodes that have come, or away from those that go, while everybody goes on."""

from typing import Any, Final

from psycopg import Connection

from domain.errors import Refusal
from service.store.owners import alone
from service.store.topology.found import topology_of
from service.store.topology.moves import close_to_moves, open_to_moves
from service.store.topology.topology import LanePlace

REBALANCE: Final = "SELECT rebalance_table_shards()"


class NothingToMove(Refusal):
    """The database is one server, and nothing of it can be moved: --distribute puts it on the nodes of a
    Citus cluster"""


def rebalance(connection: Connection[Any]) -> list[tuple[LanePlace, LanePlace]]:
    """Where lanes were, and where they are now, of those that have moved. No build may be begun meanwhile."""
    topology = topology_of(connection)
    if not topology.is_spread:
        raise NothingToMove
    with alone(connection):
        before = topology.places(connection)
        open_to_moves(connection)
        try:
            connection.execute(REBALANCE)
        finally:
            if not connection.closed:
                close_to_moves(connection)
        return [pair for pair in zip(before, topology.places(connection), strict=True) if pair[0] != pair[1]]
