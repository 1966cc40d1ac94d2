"""What can be done to a conversation, one use case a function: load, decide, append."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from domain import conversation as decisions
from domain.content import Limits
from domain.conversation import Conversation
from domain.errors import ConversationIsErased, ConversationNotFound
from domain.events import Event, Link, MessageAdded, MessageRevised
from service.store.append import Appended, CommandKey
from service.store.ids import new_id
from service.store.log import conversation_after
from service.store.repository import Caller, Changed, Repository


async def start_conversation(
    repository: Repository,
    caller: Caller,
    *,
    conversation_id: UUID | None = None,
    title: str | None = None,
    links: Sequence[Link] = (),
    metadata: dict[str, Any] | None = None,
    first_messages: Sequence[MessageAdded] = (),
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    """With its first messages, if there are any: all in one append."""
    new = conversation_id or new_id()

    def decide(conversation: Conversation | None, messages: object) -> Sequence[Event]:
        started = decisions.start(conversation, caller.user_id, title, links, metadata, repository.limits)
        empty = Conversation(new, caller.user_id, 1)
        return (*started, *decisions.add_messages(empty, first_messages, limits=repository.limits))

    return await repository.change(caller, new, decide, expected=expected, command=command)


async def add_messages(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    wishes: Sequence[MessageAdded],
    *,
    ids_are_new: bool = False,
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    """All or nothing. Ids that the caller chose are looked up first; ids that were made here need not be."""
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, messages: decisions.add_messages(
            owned(conversation, caller), wishes, messages, repository.limits
        ),
        about=() if ids_are_new else [wish.message_id for wish in wishes],
        expected=expected,
        command=command,
    )


async def revise_message(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    wish: MessageRevised,
    *,
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, messages: decisions.revise_message(
            owned(conversation, caller), messages.get(wish.message_id), wish, repository.limits
        ),
        about=[wish.message_id],
        expected=expected,
        command=command,
    )


async def remove_message(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    message_id: str,
    *,
    expected: int | None = None,
) -> Changed:
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, messages: decisions.remove_message(
            owned(conversation, caller), messages.get(message_id), message_id
        ),
        about=[message_id],
        expected=expected,
    )


async def rate_message(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    message_id: str,
    rating: str,
    comment: str | None = None,
    *,
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, messages: decisions.rate_message(
            owned(conversation, caller),
            messages.get(message_id),
            message_id,
            rating,
            comment,
            repository.limits,
        ),
        about=[message_id],
        expected=expected,
        command=command,
    )


async def change_conversation(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    decide: Callable[[Conversation], Sequence[Event]],
    *,
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    """For every decision about the conversation itself: rename, metadata, links, end, reopen."""
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, _: decide(owned(conversation, caller)),
        expected=expected,
        command=command,
    )


class Details(Struct, frozen=True, kw_only=True):
    """What a conversation is to be like; what is None stays as it is."""

    title: str | None = None
    metadata: dict[str, Any] | None = None
    links: Sequence[Link] | None = None
    ended: bool | None = None


async def change_details(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    wish: Details,
    *,
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    """All of it in one append."""

    def decide(known: Conversation) -> Sequence[Event]:
        limits = repository.limits
        events: list[Event] = []
        if wish.title is not None:
            events += decisions.rename(known, wish.title, limits)
        if wish.metadata is not None:
            events += decisions.change_metadata(known, wish.metadata, limits)
        if wish.links is not None:
            events += relink(known, wish.links, limits)
        if wish.ended is not None:
            events += decisions.end(known) if wish.ended else decisions.reopen(known)
        return events

    return await change_conversation(
        repository, caller, conversation_id, decide, expected=expected, command=command
    )


def relink(known: Conversation, wanted: Sequence[Link], limits: Limits) -> list[Event]:
    """From the links that there are to those that are wanted."""
    events = [event for link in known.links if link not in wanted for event in decisions.unlink(known, link)]
    linked = replace(known, links=tuple(link for link in known.links if link in wanted))
    for link in wanted:
        if granted := decisions.link(linked, link, limits):
            events += granted
            linked = replace(linked, links=(*linked.links, link))
    return events


async def rename(
    repository: Repository, caller: Caller, conversation_id: UUID, title: str, *, expected: int | None = None
) -> Changed:
    return await change_conversation(
        repository,
        caller,
        conversation_id,
        lambda known: decisions.rename(known, title, repository.limits),
        expected=expected,
    )


async def end(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    reason: str | None = None,
    *,
    expected: int | None = None,
    command: CommandKey | None = None,
) -> Changed:
    return await change_conversation(
        repository,
        caller,
        conversation_id,
        lambda known: decisions.end(known, reason, repository.limits),
        expected=expected,
        command=command,
    )


async def reopen(
    repository: Repository, caller: Caller, conversation_id: UUID, reason: str | None = None
) -> Changed:
    return await change_conversation(
        repository, caller, conversation_id, lambda known: decisions.reopen(known, reason, repository.limits)
    )


def owned(conversation: Conversation | None, caller: Caller) -> Conversation:
    """Somebody else's is answered as if it did not exist."""
    if conversation is None or conversation.user_id != caller.user_id:
        raise ConversationNotFound
    return conversation


class Fact(Struct, frozen=True):
    """One of the events that an append has stored."""

    event: Event
    version: int
    recorded_at: datetime


async def facts(pool: AsyncConnectionPool[Any], shard: int, changed: Changed) -> list[Fact]:
    """What a command has stored, whether now or when it was carried out before."""
    appended = changed.appended
    if appended is None:
        return []
    if changed.recorded_at is None:
        must_be_readable(changed)
        return await stored_before(pool, shard, appended)
    first = appended.version - appended.size + 1
    return [Fact(event, first + at, changed.recorded_at) for at, event in enumerate(changed.events)]


async def stored_before(pool: AsyncConnectionPool[Any], shard: int, appended: Appended) -> list[Fact]:
    """From the log, for what is read may have changed since."""
    since = appended.version - appended.size
    async with pool.connection() as connection:
        found = await conversation_after(connection, shard, appended.conversation_id, since, appended.size)
    return [Fact(each.event, each.version, each.recorded_at) for each in found]


def must_be_readable(changed: Changed) -> None:
    """What was answered before is answered again, unless it has been erased since."""
    if changed.conversation is None or changed.conversation.erased:
        raise ConversationIsErased
