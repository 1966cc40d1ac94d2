"""Shared connections for each lane, so that reads wait for nobody but those of their own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from projections.reading.prepared import Row, Statement
from projections.reading.shared import CONNECTIONS, SharedConnections


class LaneConnections:
    """Answers come in the order in which they were asked for: behind a read of a server that is silent, those
    of all others would be late."""

    def __init__(
        self,
        conninfo: str,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        lanes: Sequence[Iterable[int]],
        patience: float,
        silence: float,
    ) -> None:
        """Where there are several lanes, each has one connection."""
        size = CONNECTIONS if len(lanes) == 1 else 1
        self._all = [SharedConnections(conninfo, pool, size, patience, silence) for _ in lanes]
        self._of = {shard: shared for lane, shared in zip(lanes, self._all, strict=True) for shard in lane}

    async def open(self) -> None:
        for shared in self._all:
            await shared.open()

    async def close(self) -> None:
        for shared in self._all:
            await shared.close()

    async def fetch(self, statement: Statement, given: Mapping[str, Any]) -> list[Row]:
        """Of the shard that is given."""
        return await self._of[given["shard"]].fetch(statement, given)
