"""How long anything waits for a database: so long that a slow one is used, and a dead one noticed in time."""

from typing import Final

from msgspec import Struct

ANSWERS_TAKE: Final = 0.1
"""The share of a caller's wait that is left for the way of the answer."""


class StorePatience(Struct, frozen=True):
    """All in seconds."""

    asked: float = 5.0
    """A caller, until it is told that the database does not answer."""
    in_doubt: float = 30.0
    """The same for an append that may be stored, while the database refuses connections: only it can tell."""

    @property
    def silence(self) -> float:
        """Without an answer, until a connection is given up for another one."""
        return self.asked * 0.4

    @property
    def read(self) -> float:
        """A read: for a connection, and for an answer on it."""
        return self.asked * 0.6

    @property
    def statement(self) -> float:
        """PostgreSQL, for a read's statement: less than its process waits for it, so that a slow one is told
        from a silent connection, and none goes on that nobody waits for."""
        return self.read * (1 - ANSWERS_TAKE)

    @property
    def follow(self) -> float:
        """A follower, for an answer, which may be that a thousand rows are written."""
        return self.asked * 2

    @property
    def standing_still(self) -> float:
        """A process whose follower does not move, until it says that it is not ready."""
        return self.asked * 4

    @property
    def lock(self) -> float:
        """A session, for a lane's lock: less than its process waits for it, so that none is left waiting."""
        return self.asked * 0.3

    @property
    def standstill(self) -> float:
        """PostgreSQL, for a process that has begun an append and goes on with nothing."""
        return self.asked * 0.4

    @property
    def append(self) -> float:
        """PostgreSQL, for all of an append: also one whose process stopped while it was sending it."""
        return self.asked * 0.8

    def gives_up(self, asked_at: float, in_doubt: bool) -> float:
        """When whoever asked at that time is answered at the latest."""
        return asked_at + (self.in_doubt if in_doubt else self.asked) * (1 - ANSWERS_TAKE)


def milliseconds(seconds: float) -> str:
    """As PostgreSQL takes it."""
    return f"{seconds * 1000:.0f}ms"
