"""What can be done to a conversation, one use case a function: load, decide, append."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain import conversation as decisions
from domain.content import Limits
from domain.conversation import Conversation
from domain.errors import ConversationIsErased, ConversationNotFound
from domain.events import Event, Link, MessageAdded, ReplyFailed
from domain.message import Message
from service.store.append import CommandKey
from service.store.ids import new_id
from service.store.names import as_id
from service.store.repository import Caller, Changed, Repository


class Terms(Struct, frozen=True):
    """On what terms a write is made: at which version, and under which key."""

    expected: int | None = None
    command: CommandKey | None = None


ANY: Final = Terms()


async def start_conversation(
    repository: Repository,
    caller: Caller,
    *,
    conversation_id: UUID | None = None,
    title: str | None = None,
    links: Sequence[Link] = (),
    metadata: dict[str, Any] | None = None,
    name: str | None = None,
    first_messages: Sequence[MessageAdded] = (),
    terms: Terms = ANY,
) -> Changed:
    """With its first messages, if there are any: all in one append. A name that is an id is its id."""
    given = as_id(name) if name is not None else None
    new = conversation_id or given or new_id()
    named = name if given is None else None

    def decide(conversation: Conversation | None, messages: object) -> Sequence[Event]:
        limits = repository.limits
        started = decisions.start(conversation, caller.user_id, title, links, metadata, limits, named)
        empty = Conversation(new, caller.user_id, 1)
        return (*started, *decisions.add_messages(empty, first_messages, limits=repository.limits))

    return await repository.change(caller, new, decide, expected=terms.expected, command=terms.command)


async def add_messages(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    wishes: Sequence[MessageAdded],
    *,
    ids_are_new: bool = False,
    terms: Terms = ANY,
) -> Changed:
    """All or nothing. Ids that the caller chose are looked up first; ids that were made here need not be."""
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, messages: decisions.add_messages(
            owned(conversation, caller), wishes, messages, repository.limits
        ),
        about=() if ids_are_new else [wish.message_id for wish in wishes],
        expected=terms.expected,
        command=terms.command,
    )


async def ask(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    question: MessageAdded,
    metadata: dict[str, Any] | None = None,
    terms: Terms = ANY,
) -> Changed:
    """A question under a new id, and what the conversation's metadata is from then on, in one append."""

    def decide(known: Conversation) -> Sequence[Event]:
        added = decisions.add_message(known, question, limits=repository.limits)
        if metadata is None:
            return added
        return (*added, *decisions.change_metadata(known, metadata, repository.limits))

    return await change_conversation(repository, caller, conversation_id, decide, terms)


async def store_reply(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    wishes: Sequence[MessageAdded | ReplyFailed],
    command: CommandKey,
) -> Changed:
    """Nothing if somebody has stored it already. A session that has ended meanwhile takes it all the same."""

    def decide(conversation: Conversation | None, _: object) -> Sequence[Event]:
        if conversation is None:
            raise ConversationIsErased
        limits, events = repository.limits, list[Event]()
        for wish in wishes:
            if isinstance(wish, MessageAdded):
                events += decisions.add_message(conversation, wish, late=True, limits=limits)
            else:
                events += decisions.fail_reply(conversation, wish.in_reply_to, wish.reason, limits)
        return events

    return await repository.change(caller, conversation_id, decide, command=command)


async def change_message(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    message_id: str,
    decide: Callable[[Conversation, Message | None], Sequence[Event]],
    terms: Terms = ANY,
) -> Changed:
    """For every decision about one message, which need not be there: add, revise."""

    def decide_it(conversation: Conversation, messages: Mapping[str, Message]) -> Sequence[Event]:
        return decide(conversation, messages.get(message_id))

    return await change_messages(repository, caller, conversation_id, [message_id], decide_it, terms)


async def change_messages(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    message_ids: Sequence[str],
    decide: Callable[[Conversation, Mapping[str, Message]], Sequence[Event]],
    terms: Terms = ANY,
) -> Changed:
    """For every decision about several, of which some may be there. Without ids, none is looked for."""
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, messages: decide(owned(conversation, caller), messages),
        about=message_ids,
        expected=terms.expected,
        command=terms.command,
    )


async def remove_message(
    repository: Repository, caller: Caller, conversation_id: UUID, message_id: str, terms: Terms = ANY
) -> Changed:
    def decide(conversation: Conversation, message: Message | None) -> Sequence[Event]:
        return decisions.remove_message(conversation, message, message_id)

    return await change_message(repository, caller, conversation_id, message_id, decide, terms)


async def rate_messages(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    message_ids: Sequence[str],
    rating: str,
    comment: str | None = None,
    terms: Terms = ANY,
) -> Changed:
    """All of them or none."""
    each_once = list(dict.fromkeys(message_ids))

    def decide(conversation: Conversation, messages: Mapping[str, Message]) -> Sequence[Event]:
        return [
            event
            for each in each_once
            for event in decisions.rate_message(
                conversation, messages.get(each), each, rating, comment, repository.limits
            )
        ]

    return await change_messages(repository, caller, conversation_id, each_once, decide, terms)


async def change_conversation(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    decide: Callable[[Conversation], Sequence[Event]],
    terms: Terms = ANY,
) -> Changed:
    """For every decision about the conversation itself: rename, metadata, links, end, reopen."""
    return await repository.change(
        caller,
        conversation_id,
        lambda conversation, _: decide(owned(conversation, caller)),
        expected=terms.expected,
        command=terms.command,
    )


async def save_conversation(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    start: Callable[[], Sequence[Event]],
    change: Callable[[Conversation], Sequence[Event]],
) -> Changed:
    """Where a protocol does not say whether it is new."""
    return await repository.change(
        caller,
        conversation_id,
        lambda known, _: start() if known is None else change(owned(known, caller)),
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
    terms: Terms = ANY,
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

    return await change_conversation(repository, caller, conversation_id, decide, terms)


def relink(known: Conversation, wanted: Sequence[Link], limits: Limits) -> list[Event]:
    """From the links that there are to those that are wanted."""
    events = [event for link in known.links if link not in wanted for event in decisions.unlink(known, link)]
    linked = replace(known, links=tuple(link for link in known.links if link in wanted))
    for link in wanted:
        if granted := decisions.link(linked, link, limits):
            events += granted
            linked = replace(linked, links=(*linked.links, link))
    return events


async def end(
    repository: Repository,
    caller: Caller,
    conversation_id: UUID,
    reason: str | None = None,
    terms: Terms = ANY,
) -> Changed:
    def decide(known: Conversation) -> Sequence[Event]:
        return decisions.end(known, reason, repository.limits)

    return await change_conversation(repository, caller, conversation_id, decide, terms)


def owned(conversation: Conversation | None, caller: Caller) -> Conversation:
    """Somebody else's is answered as if it did not exist."""
    if conversation is None or conversation.user_id != caller.user_id:
        raise ConversationNotFound
    return conversation
