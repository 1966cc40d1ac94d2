"""What differs between one PostgreSQL and a cluster of them; everything else is the same SQL."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct
from psycopg import Connection


class StorageNode(Struct, frozen=True):
    """One server that keeps a part of the log."""

    address: str
    shards: list[int]
    """Those whose events lie there."""


class Topology(Protocol):
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

    def nodes(self, connection: Connection[Any]) -> list[StorageNode]:
        """None where there is but one server."""
        ...
