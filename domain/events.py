"""Every event there is. The tag is the stored topic: a class may move or be renamed, its tag never does."""

from typing import Any, Literal

from msgspec import Struct

Role = Literal["user", "assistant", "system", "developer", "tool", "critic", "discriminator", "unknown"]
Status = Literal["complete", "interrupted"]


class Link(Struct, frozen=True, gc=False):
    """A typed tie from a conversation to something of the host application: `opportunity` → `opp_42`."""

    kind: str
    target: str


class Payload(Struct, frozen=True, gc=False):
    """What a protocol wants back exactly as it gave it, and the name of the protocol's shape."""

    schema: str
    data: dict[str, Any]


class Event(Struct, frozen=True, tag_field="event", omit_defaults=True, gc=False):
    """A fact about one conversation, in the past tense."""


class ConversationStarted(Event, frozen=True, tag="conversation_started"):
    title: str | None = None
    links: tuple[Link, ...] = ()
    metadata: dict[str, Any] = {}
    name: str | None = None
    """The caller's own id for it, unique within its user."""


class MessageAdded(Event, frozen=True, tag="message_added"):
    message_id: str
    role: Role
    content: str
    kind: str = "message"
    is_fortune: bool = False
    metadata: dict[str, Any] = {}
    in_reply_to: str | None = None
    status: Status = "complete"
    tokens: int | None = None
    payload: Payload | None = None


class MessageRevised(Event, frozen=True, tag="message_revised"):
    message_id: str
    content: str
    kind: str = "message"
    metadata: dict[str, Any] = {}
    status: Status = "complete"
    payload: Payload | None = None


class MessageRemoved(Event, frozen=True, tag="message_removed"):
    message_id: str


class MessageRated(Event, frozen=True, tag="message_rated"):
    message_id: str
    rating: str
    comment: str | None = None


class ReplyFailed(Event, frozen=True, tag="reply_failed"):
    in_reply_to: str
    reason: str


class ConversationRenamed(Event, frozen=True, tag="conversation_renamed"):
    title: str


class MetadataChanged(Event, frozen=True, tag="metadata_changed"):
    metadata: dict[str, Any]


class ConversationLinked(Event, frozen=True, tag="conversation_linked"):
    link: Link


class ConversationUnlinked(Event, frozen=True, tag="conversation_unlinked"):
    link: Link


class SessionEnded(Event, frozen=True, tag="session_ended"):
    reason: str | None = None


class SessionReopened(Event, frozen=True, tag="session_reopened"):
    reason: str | None = None


class ConversationAnonymised(Event, frozen=True, tag="conversation_anonymised"):
    requested_by: str
    reason: str
    counts: dict[str, int] = {}
    rewritten: str | None = None
    """The digest of what is left of the events before it, whose own salts go."""


class ConversationErased(Event, frozen=True, tag="conversation_erased"):
    requested_by: str
    reason: str
    counts: dict[str, int] = {}


ConversationEvent = (
    ConversationStarted
    | MessageAdded
    | MessageRevised
    | MessageRemoved
    | MessageRated
    | ReplyFailed
    | ConversationRenamed
    | MetadataChanged
    | ConversationLinked
    | ConversationUnlinked
    | SessionEnded
    | SessionReopened
    | ConversationAnonymised
    | ConversationErased
)
