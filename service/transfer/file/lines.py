"""The format of an export: JSON, a line each. The first says what it is, the last how much it was.

    {"format": "hansard.export", "version": 1}
    {"conversation_id": …, "version": 1, "recorded_at": …, "user_id": …, "event": {…}}
    …
    {"end": {"conversations": 1, "events": 2, "messages": 1, "sha256": …}}

One line is one event with its envelope. What the log of one database alone knows is not in it: shards,
positions, salts and digests; so the same record gives the same file, wherever it is kept. In its order: what
was erased, then user after user, by the bytes of their ids; of each user, all that happened, in the order in
which it happened, across all conversations.
"""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from domain.events import ConversationEvent, Event, MessageAdded
from domain.recorded import Foreign, Redacted

FORMAT: Final = "hansard.export"
VERSION: Final = 1
MEDIA_TYPE: Final = "application/jsonl"

Time = Annotated[datetime, Meta(tz=True)]


class Selection(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What of the record is exported: all of it, where nothing is said."""

    user_id: str | None = None
    conversation_id: UUID | None = None
    after: str | None = None
    """Goes on after this user: the rest of a file that was cut off."""


EVERYTHING: Final = Selection()


class Header(Struct, frozen=True, omit_defaults=True):
    format: str
    version: int
    selection: Selection = EVERYTHING


class Carried(Struct, frozen=True):
    """A command, on the first of its events."""

    id: UUID
    digest: bytes
    size: int


class Opaque(Struct, frozen=True):
    """An event that Hansard cannot read: another application's."""

    topic: str
    state: bytes


class Line(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of event, redacted and opaque is there."""

    conversation_id: UUID
    version: int
    recorded_at: Time
    user_id: str | None = None
    actor: str | None = None
    request_id: str | None = None
    command: Carried | None = None
    event: ConversationEvent | None = None
    redacted: str | None = None
    """The topic of an event that was emptied."""
    opaque: Opaque | None = None

    @property
    def fact(self) -> Event | None:
        if [self.event, self.redacted, self.opaque].count(None) != 2:
            return None
        if self.opaque is not None:
            return Foreign(self.opaque.topic, self.opaque.state)
        return Redacted(self.redacted) if self.redacted is not None else self.event


class Counts(Struct, frozen=True):
    conversations: int
    events: int
    messages: int
    sha256: str
    """Of all bytes before this line."""


class Trailer(Struct, frozen=True, forbid_unknown_fields=True):
    end: Counts


class FileTally:
    """Counts what is written or read, and digests it."""

    def __init__(self) -> None:
        self.conversations = self.events = self.messages = 0
        self._digest = sha256()

    def header(self, raw: bytes) -> None:
        self._digest.update(raw)

    def line(self, raw: bytes, version: int, event: Any) -> None:
        self._digest.update(raw)
        self.events += 1
        self.conversations += version == 1
        self.messages += isinstance(event, MessageAdded)

    @property
    def counts(self) -> Counts:
        return Counts(self.conversations, self.events, self.messages, self._digest.hexdigest())

    def copy(self) -> "FileTally":
        other = FileTally()
        other.conversations, other.events, other.messages = self.conversations, self.events, self.messages
        other._digest = self._digest.copy()
        return other


encode: Final = msgspec.json.Encoder().encode
decode_line: Final = msgspec.json.Decoder(Line).decode
decode_header: Final = msgspec.json.Decoder(Header).decode
decode_trailer: Final = msgspec.json.Decoder(Trailer).decode


def header_of(selection: Selection) -> bytes:
    """The same for the same selection: what is left out is found by identity."""
    return encode(Header(FORMAT, VERSION, EVERYTHING if selection == EVERYTHING else selection)) + b"\n"


def trailer_of(tally: FileTally) -> bytes:
    return encode(Trailer(tally.counts)) + b"\n"
