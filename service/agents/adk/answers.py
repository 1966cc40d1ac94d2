"""What Hansard's conversations API answers, as far as a session has use for it."""

from datetime import datetime
from typing import Any

from msgspec import Struct

Item = dict[str, Any]


class SeenConversation(Struct, frozen=True):
    id: str
    version: int
    created_at: datetime
    name: str | None
    etag: str = ""
    """From the header of an answer that is about one conversation."""


class LinkedPage(Struct, frozen=True):
    conversations: list[SeenConversation]
    next_cursor: str | None


class Entry(Struct, frozen=True):
    """A message, with its item."""

    id: str
    version: int
    role: str
    kind: str
    content: str
    timestamp: datetime
    item: Item


class Entries(Struct, frozen=True):
    messages: list[Entry]
    older: str | None


class AddedEntries(Struct, frozen=True):
    ids: list[str]
    version: int


class AuditedEvent(Struct, frozen=True):
    user_id: str | None
    event: dict[str, Any] | None


class AuditPage(Struct, frozen=True):
    events: list[AuditedEvent]
    next_cursor: str | None


class ProblemAnswer(Struct, frozen=True):
    type: str
    detail: str
