"""One PostgreSQL: everything lies in it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from service.store.topology.topology import LanePlace

NOTHING_MORE: Final[Mapping[str, str]] = MappingProxyType({})


class SingleServer(Struct, frozen=True):
    @property
    def name(self) -> str:
        return ""

    @property
    def parameters(self) -> Mapping[str, str]:
        return NOTHING_MORE

    @property
    def is_spread(self) -> bool:
        return False

    def settle(self, connection: Connection[Any]) -> None:
        pass

    def place(self, connection: Connection[Any], table: str) -> None:
        pass

    def check(self, connection: Connection[Any]) -> None:
        pass

    def places(self, connection: Connection[Any]) -> list[LanePlace]:
        return []
