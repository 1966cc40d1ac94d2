"""What a plan is made for: how much is to be kept, how it comes, and what a node has."""

from typing import Final

from msgspec import Struct

TERABYTE: Final = 10**12
GIBIBYTE: Final = 2**30


class NodeSize(Struct, frozen=True):
    cores: int = 16
    memory: int = 128
    """In GiB."""
    disk: int = 8
    """In TB."""


class PlannedRecord(Struct, frozen=True):
    """All of it is assumed; the flags of `hansard bench` say it otherwise."""

    users: int = 10_000_000
    messages: int = 10_000_000_000
    conversations: int = 0
    """0: one for each twenty messages."""
    shards: int = 64
    content: int = 600
    """The mean bytes of a message."""
    years: int = 3
    """In which the messages come."""
    peak: int = 10
    """So many times the mean of all years: growth to twice of it, and the busiest minute of a day at five
    times the day's mean."""
    active: int = 10
    """So many of a hundred users say something on a day."""
    node: NodeSize = NodeSize()

    @property
    def started(self) -> int:
        return self.conversations or max(1, self.messages // 20)

    @property
    def of_conversation(self) -> int:
        """Messages, at least one."""
        return max(1, round(self.messages / self.started))

    @property
    def of_user(self) -> int:
        """Conversations, at least one."""
        return max(1, round(self.started / self.users))

    @property
    def appends(self) -> float:
        """A second, on the mean of all years: a message each."""
        return self.messages / (self.years * 365 * 86_400)
