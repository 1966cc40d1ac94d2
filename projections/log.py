"""What a projection needs of the log; the event store keeps this contract."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from psycopg import Connection

from domain.recorded import Recorded

SHARDS_AT_ONCE: Final = 64
"""PostgreSQL sorts the shards that are asked for anew for each of them: for a thousand that takes a while."""


def few_at_once(lane: Sequence[int]) -> Iterator[list[int]]:
    """A lane's shards, as many together as one statement is to be about."""
    return (list(lane[at : at + SHARDS_AT_ONCE]) for at in range(0, len(lane), SHARDS_AT_ONCE))


class Log(Protocol):
    def lanes(self, connection: Connection[Any]) -> list[list[int]]:
        """The shards, those together that lie together: a statement that locks or claims is about one lane,
        and where one lane cannot be reached the others can."""
        ...

    def shards(self, connection: Connection[Any]) -> list[int]: ...

    def servers(self, connection: Connection[Any]) -> list[list[int]]:
        """The shards, those together that one server keeps: several servers work at the same time."""
        ...

    def heads(self, connection: Connection[Any]) -> dict[int, int]:
        """Each shard's last position, 0 where it is empty."""
        ...

    def heads_of(self, connection: Connection[Any], lane: Sequence[int]) -> dict[int, int]:
        """The same for shards that lie together."""
        ...

    def page(self, connection: Connection[Any], shard: int, after: int, limit: int) -> Generator[Recorded]:
        """The next events of a shard in order: at most `limit`, fewer if they are large, none at the end.
        They come while they are taken; until the last one, or until it is closed, the connection is busy."""
        ...

    def pages(
        self,
        connection: Connection[Any],
        after: Mapping[int, int],
        limit: int,
        until: Mapping[int, int] | None = None,
    ) -> list[Recorded]:
        """The next events of several shards at once, each shard's in order: about `limit` in all, of which
        every shard gives its share; none after `until`."""
        ...

    def piece(
        self, connection: Connection[Any], shard: int, conversation_id: UUID, from_position: int, limit: int
    ) -> list[Recorded]:
        """One conversation's events from a position on: at most `limit`, fewer if they are large."""
        ...

    def at(self, connection: Connection[Any], shard: int, positions: Sequence[int]) -> list[Recorded]:
        """The events at these positions, in order."""
        ...

    def place(self, connection: Connection[Any], table: str) -> None:
        """Puts a table that was just made, whose rows name their shard, where the log's shards lie."""
        ...

    def lock(self, connection: Connection[Any], shards: Iterable[int]) -> None:
        """Holds up every append to these shards until the transaction ends."""
        ...
