"""What somebody asks for: a turn in a conversation, and how its question is stored."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.events import Link, MessageAdded
from projections.history import Said
from service import commands
from service.commands import ANY, Terms
from service.store.append import CommandKey
from service.store.ids import new_id
from service.store.repository import Caller, Changed, Repository

Store = Callable[[Repository], Awaitable[Changed]]


class Asked(Struct, frozen=True):
    caller: Caller
    conversation_id: UUID
    question: MessageAdded
    reply_id: str
    store: Store
    """Stores the question; with a command, once."""
    command: CommandKey | None = None
    is_new: bool = False
    """The conversation begins with the question."""
    interrupt: bool = False
    """A reply that is running in the conversation is stopped first."""
    told: Said | None = None
    """What the responder is told last, after all that was said until now; without it the question is last."""


def asked(
    caller: Caller,
    message: str,
    *,
    conversation_id: UUID | None = None,
    is_fortune: bool = False,
    metadata: dict[str, Any] | None = None,
    conversation_metadata: dict[str, Any] | None = None,
    links: Sequence[Link] = (),
    interrupt: bool = False,
    terms: Terms = ANY,
) -> Asked:
    """Of a message and what came with it; a new conversation where none is named."""
    command = terms.command
    question = MessageAdded(
        message_id=str(id_of("question", command)),
        role="user",
        content=message,
        is_fortune=is_fortune,
        metadata=metadata or {},
    )
    conversation = conversation_id or id_of("conversation", command)
    return Asked(
        caller,
        conversation,
        question,
        str(new_id()),
        adding(caller, conversation, question, conversation_metadata, terms)
        if conversation_id
        else starting(caller, conversation, question, conversation_metadata, links, command),
        command,
        is_new=conversation_id is None,
        interrupt=interrupt,
    )


def asked_before(
    caller: Caller, conversation_id: UUID, question: MessageAdded, reply_id: str, told: Said | None = None
) -> Asked:
    """Of a question that somebody else has stored. It is asked again as often as this is, and what is being
    replied to it makes way."""
    return Asked(caller, conversation_id, question, reply_id, nothing, interrupt=True, told=told)


async def nothing(repository: Repository) -> Changed:
    return Changed(None, None)


def id_of(what: str, command: CommandKey | None) -> UUID:
    """Under a key the ids come of the key, so that requests which repeat each other meet at once."""
    if command is None:
        return new_id()
    return UUID(bytes=sha256(what.encode() + command.id.bytes).digest()[:16], version=5)


def starting(
    caller: Caller,
    conversation_id: UUID,
    question: MessageAdded,
    metadata: dict[str, Any] | None,
    links: Sequence[Link],
    command: CommandKey | None,
) -> Store:
    return lambda repository: commands.start_conversation(
        repository,
        caller,
        conversation_id=conversation_id,
        links=links,
        metadata=metadata,
        first_messages=[question],
        terms=Terms(command=command),
    )


def adding(
    caller: Caller,
    conversation_id: UUID,
    question: MessageAdded,
    metadata: dict[str, Any] | None,
    terms: Terms,
) -> Store:
    return lambda repository: commands.ask(repository, caller, conversation_id, question, metadata, terms)
