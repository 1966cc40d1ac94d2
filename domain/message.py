"""One message as it stands now, from its own few events: no need to read the others."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from domain.content import SPEAKERS, same_json
from domain.errors import HistoryIsBroken
from domain.events import (
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    Payload,
    Role,
    Status,
)
from domain.recorded import Recorded, Redacted

SHOWN: Final = (
    "client_tool_call",
    "generated_image",
    "message",
    "structured_input",
    "task",
    "widget",
    "workflow",
)
"""The kinds that clients are shown. Any other is the server's own, and so is one that is not known here."""

WITH_ITEMS: Final = (*SHOWN, "approval", "instructions", "item", "reasoning", "tool_call", "tool_output")
"""The kinds that clients are shown who ask for all that an agent did, beside what was said."""


class Message(Struct, frozen=True):
    id: str
    version: int
    """Of the event that added it: its place in the conversation, which no revision changes."""
    role: Role
    content: str
    kind: str = "message"
    is_fortune: bool = False
    metadata: dict[str, Any] = {}
    in_reply_to: str | None = None
    status: Status = "complete"
    tokens: int | None = None
    payload: Payload | None = None
    removed: bool = False
    rating: str | None = None
    comment: str | None = None


def fold_message(history: Iterable[Recorded]) -> Message | None:
    """None where there is no such message, and where its words have been erased."""
    message: Message | None = None
    for recorded in history:
        match recorded.event:
            case Redacted(name="message_added" | "message_revised"):
                return None
            case MessageAdded() as added if message is None:
                message = new_message(added, recorded.version)
            case _ if message is None or message.removed:
                raise broken(recorded)
            case _:
                message = evolve_message(message, recorded)
    return message


def evolve_message(message: Message, recorded: Recorded) -> Message:
    match recorded.event:
        case MessageRevised() as revised:
            return replace(
                message,
                content=revised.content,
                kind=revised.kind,
                metadata=revised.metadata,
                status=revised.status,
                payload=revised.payload,
            )
        case MessageRated(rating=rating, comment=comment):
            return replace(message, rating=rating, comment=comment)
        case MessageRemoved() | Redacted(name="message_removed"):
            return replace(message, removed=True)
        case Redacted():
            return message
        case _:
            raise broken(recorded)


def new_message(added: MessageAdded, version: int) -> Message:
    return Message(
        added.message_id,
        version,
        added.role,
        added.content,
        added.kind,
        added.is_fortune,
        added.metadata,
        added.in_reply_to,
        added.status,
        added.tokens,
        added.payload,
    )


def kind_of_words(role: str) -> str:
    """Of plain words, by whose they are."""
    if role in SPEAKERS:
        return "message"
    return "tool_output" if role == "tool" else "instructions"


def stands_as(message: Message, wish: MessageAdded) -> bool:
    """Whether adding it would say nothing new. Tokens are a measurement of it, not a part of it."""
    return (
        message.role == wish.role
        and message.is_fortune == wish.is_fortune
        and message.in_reply_to == wish.in_reply_to
        and has_body_of(message, wish)
    )


def has_body_of(message: Message, wish: MessageAdded | MessageRevised) -> bool:
    return (
        message.content == wish.content
        and message.kind == wish.kind
        and message.status == wish.status
        and same_json(message.metadata, wish.metadata)
        and message.payload == wish.payload
        and (
            message.payload is None
            or wish.payload is None
            or same_json(message.payload.data, wish.payload.data)
        )
    )


def broken(recorded: Recorded) -> HistoryIsBroken:
    return HistoryIsBroken(
        what=f"{type(recorded.event).__name__} does not fit the message that it is about",
        conversation_id=recorded.conversation_id,
        version=recorded.version,
    )
