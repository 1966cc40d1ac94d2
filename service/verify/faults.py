"""What can be wrong with the log, and how it is told."""

from typing import Final
from uuid import UUID

from msgspec import Struct

MOST_LISTED: Final = 100


class Fault(Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong, and where."""

    what: str
    shard: int | None = None
    conversation_id: UUID | None = None
    version: int | None = None
    position: int | None = None

    def __str__(self) -> str:
        places = {
            "shard": self.shard,
            "position": self.position,
            "conversation": self.conversation_id,
            "version": self.version,
        }
        where = ", ".join(f"{name} {place}" for name, place in places.items() if place is not None)
        return f"{where}: {self.what}" if where else self.what


class Faults:
    """Counts all of them, and keeps the first ones: a log of which all is wrong must not fill the memory."""

    def __init__(self) -> None:
        self.listed: list[Fault] = []
        self.total = 0

    def add(self, fault: Fault) -> None:
        self.total += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(fault)


def missing(what: str, first: int, last: int) -> str:
    return f"{what} {first} is missing" if first == last else f"{what}s {first} to {last} are missing"
