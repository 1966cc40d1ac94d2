"""What differs between one PostgreSQL and a cluster of them; everything else is the same SQL."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct
from psycopg import Connection


class LanePlace(Struct, frozen=True):
    """Where a lane lies, on a cluster."""

    lane: int
    """Its first shard."""
    part: int
    """As the cluster numbers it."""
    node: str
    """The node's name and port, as the coordinator reaches it."""


class Topology(Protocol):
    @property
    def name(self) -> str:
        """What there is beside PostgreSQL; nothing, most of the time."""
        ...

    @property
    def parameters(self) -> Mapping[str, str]:
        """PostgreSQL's, of every connection; they win over what a connection asks for itself."""
        ...

    @property
    def is_spread(self) -> bool:
        """Whether there are other servers, as which and with which rights a role connects too."""
        ...

    def settle(self, connection: Connection[Any]) -> None:
        """Puts all tables where they belong, and lays the shards out by where they lie. Once more, it changes
        what was changed since, and needs no node otherwise."""
        ...

    def place(self, connection: Connection[Any], table: str) -> None:
        """Puts a table that was just made beside the events of the shards that its rows name."""
        ...

    def check(self, connection: Connection[Any]) -> None:
        """Refuses where nobody is to append, and says why."""
        ...

    def places(self, connection: Connection[Any]) -> list[LanePlace]:
        """None where there is but one server."""
        ...
