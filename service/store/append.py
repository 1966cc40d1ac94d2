"""What is asked of the log, and what became of it."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.errors import CommandReused, NameIsTaken, VersionConflict
from domain.events import ConversationStarted, Event
from domain.recorded import Redacted
from service.store.codec import encode, message_id_of
from service.store.digests import person_digest, state_digest
from service.store.randomness import sixteen_bytes

Key = tuple[int, UUID]
"""Names a conversation: an id is one conversation's within its shard; callers may choose ids."""


Name = tuple[int, str, str]
"""In a shard, a user's name for one of the conversations there."""


class CommandKey(Struct, frozen=True):
    """Names a wish, so that repeating it adds nothing; the digest of its body tells it from another wish."""

    id: UUID
    digest: bytes


class Appended(Struct, frozen=True, gc=False):
    """The events are in the log, at these places and the ones that follow them."""

    conversation_id: UUID
    version: int
    """Of the last event."""
    position: int
    """Of the last event."""
    size: int
    repeated: bool = False
    """They were there already: the same command was carried out before."""


Outcome = Appended | VersionConflict | CommandReused | NameIsTaken


class Stored(Struct, frozen=True, gc=False):
    """One event, encoded and sealed before anybody waits for it."""

    event: Event
    topic: str
    state: bytes | None
    message_id: str | None
    salt: bytes | None
    digest: bytes
    recorded_at: datetime | None = None
    """Where it happened at another time than the append: it was recorded elsewhere, and is taken in now."""
    tags: Sequence[str] | None = None
    """What the taggers find in it; None where nobody has looked."""

    @property
    def size(self) -> int:
        return len(self.state) if self.state is not None else 0


class Append(Struct, eq=False):
    """Events of one conversation that are stored together or not at all."""

    shard: int
    conversation_id: UUID
    events: list[Stored]
    recorded_at: datetime
    user_id: str | None
    actor: str | None
    request_id: str | None
    person_salt: bytes
    person_digest: bytes
    size: int
    expected: int | None = None
    """The version that the events were decided on; None: they fit any."""
    based_on: "Append | None" = None
    """An append that was on its way when these were decided on its result: without it they are void."""
    free_since: int | None = None
    """The stored version since which whatever came matters to them only if it concerns the same messages, or
    whether the conversation takes any: they are put behind it. None: their place is the one expected."""
    command: CommandKey | None = None
    first: int | None = None
    """The first event's version where the caller numbers versions, so that a sequence may begin with 0."""
    waiting: asyncio.Future[Appended] | Future[Appended] | None = None
    outcome: Any = None
    asked_at: float = 0.0
    placed: "Placed | None" = None
    doubts: "list[tuple[Placed, ...]]" = []
    """Where its parts went, for each time that it was sent and nobody knows what became of it."""
    also: "tuple[Append, ...]" = ()
    """Of the same shard, stored with this one or not at all, in this order."""

    @property
    def parts(self) -> "tuple[Append, ...]":
        return (self, *self.also)

    @property
    def name(self) -> Name | None:
        """Under which it starts a conversation, if under any."""
        match self.events[0].event:
            case ConversationStarted(name=str(name)) if self.user_id is not None:
                return self.shard, self.user_id, name
        return None


class Placed(Struct, frozen=True, gc=False):
    """Where an append's last event went when it was sent to the database; its digest recognises it there."""

    version: int
    position: int
    digest: bytes


def append_of(
    shard: int,
    conversation_id: UUID,
    events: Sequence[Event | Stored],
    recorded_at: datetime,
    *,
    user_id: str | None = None,
    actor: str | None = None,
    request_id: str | None = None,
    expected: int | None = None,
    based_on: Append | None = None,
    free_since: int | None = None,
    command: CommandKey | None = None,
    first: int | None = None,
) -> Append:
    """Does all the work that needs no lock: encoding, salts, digests."""
    stored = [each if isinstance(each, Stored) else stored_event(each) for each in events]
    salt = sixteen_bytes()
    return Append(
        shard=shard,
        conversation_id=conversation_id,
        events=stored,
        recorded_at=recorded_at,
        user_id=user_id,
        actor=actor,
        request_id=request_id,
        person_salt=salt,
        person_digest=person_digest(salt, user_id, actor, request_id),
        size=sum(each.size for each in stored),
        expected=expected,
        based_on=based_on,
        free_since=free_since,
        command=command,
        first=first,
    )


def stored_event(
    event: Event,
    recorded_at: datetime | None = None,
    tags: Sequence[str] | None = None,
) -> Stored:
    salt = sixteen_bytes()
    if isinstance(event, Redacted):
        # Nobody keeps the salt, so that its digest tells nothing, as where the words were erased.
        return Stored(event, event.topic, None, None, None, state_digest(salt, b""), recorded_at)
    topic, state = encode(event)
    digest = state_digest(salt, state)
    return Stored(event, topic, state, message_id_of(event), salt, digest, recorded_at, tags)
