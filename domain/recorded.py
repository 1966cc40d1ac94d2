"""An event as it stands in the log: the fact, and the envelope that the log put around it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.events import Event


class Redacted(Event, frozen=True, tag="redacted"):
    """What is left where the words of an event were erased."""

    topic: str

    @property
    def name(self) -> str:
        """The topic without its version: what happened, in whichever shape it was stored."""
        return self.topic.partition(".")[0]


class Foreign(Event, frozen=True, tag="foreign"):
    """An event that another application keeps in this log; Hansard carries it and reads nothing into it."""

    topic: str
    state: bytes


class Unreadable(Event, frozen=True, tag="unreadable"):
    """An event whose stored state this code cannot decode."""

    topic: str
    error: str


class Recorded(Struct, frozen=True, gc=False):
    """Keeps the `eventsourcing` library's DomainEventProtocol, so its repositories can fold these events."""

    shard: int
    position: int
    conversation_id: UUID
    version: int
    event: Event
    recorded_at: datetime
    user_id: str | None = None
    actor: str | None = None
    request_id: str | None = None
    tags: Sequence[str] | None = None
    """What the taggers find in its words, where that was looked for on the way into the log."""

    @property
    def originator_id(self) -> UUID:
        return self.conversation_id

    @property
    def originator_version(self) -> int:
        return self.version
