"""What is decided about a conversation, and what its events make of it.

A decision takes the state and a wish and answers with events, none if the wish would change nothing; or it
raises a refusal. What an event makes of the state was decided when it was stored: `evolve` decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.content import (
    LIMITS,
    Limits,
    check_body,
    check_link,
    check_message,
    check_metadata,
    check_name,
    check_words,
    same_json,
)
from domain.errors import (
    ConversationAlreadyStarted,
    ConversationIsErased,
    HistoryIsBroken,
    MessageAlreadyAdded,
    MessageNotFound,
    SessionHasEnded,
    TooManyLinks,
    TooManyMessages,
    VersionConflict,
)
from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Event,
    Link,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from domain.message import Message, has_body_of, new_message, stands_as
from domain.recorded import Foreign, Recorded, Redacted
from domain.title import opening_of

Events = Sequence[Event]
NOTHING: Final[Events] = ()
LONGEST_DIGEST: Final = 64


class Conversation(Struct, frozen=True):
    """No larger for ten thousand messages than for one, so that it can be kept as a snapshot."""

    id: UUID
    user_id: str | None
    version: int
    title: str | None = None
    """As it was given."""
    opening: str | None = None
    """What it is called without one: the beginning of the first thing that the user said. An anonymised one
    has none here, since the words before were rewritten then."""
    name: str | None = None
    links: tuple[Link, ...] = ()
    metadata: dict[str, Any] = {}
    ended: bool = False
    anonymised: bool = False
    erased: bool = False
    message_count: int = 0
    started_at: datetime | None = None
    last_activity_at: datetime | None = None
    """When something was last said, or revised."""


def fold(history: Iterable[Recorded], since: Conversation | None = None) -> Conversation | None:
    conversation = since
    for recorded in history:
        conversation = evolve(conversation, recorded)
    return conversation


def evolve(conversation: Conversation | None, recorded: Recorded) -> Conversation:
    if conversation is None:
        return begin(recorded)
    version = recorded.version
    if (
        conversation.erased
        or version != conversation.version + 1
        or recorded.conversation_id != conversation.id
    ):
        raise misfit(conversation, recorded)
    match recorded.event:
        case MessageAdded() | Redacted(name="message_added"):
            return said(conversation, recorded)
        case MessageRevised() | Redacted(name="message_revised"):
            return replace(conversation, version=version, last_activity_at=recorded.recorded_at)
        case MessageRemoved() | Redacted(name="message_removed"):
            return replace(conversation, version=version, message_count=conversation.message_count - 1)
        case ConversationRenamed(title=title):
            return replace(conversation, version=version, title=title)
        case MetadataChanged(metadata=metadata):
            return replace(conversation, version=version, metadata=metadata)
        case ConversationLinked(link=link):
            return replace(conversation, version=version, links=(*conversation.links, link))
        case ConversationUnlinked(link=link):
            return replace(conversation, version=version, links=without(conversation.links, link))
        case SessionEnded() | Redacted(name="session_ended"):
            return replace(conversation, version=version, ended=True)
        case SessionReopened() | Redacted(name="session_reopened"):
            return replace(conversation, version=version, ended=False)
        case ConversationAnonymised() | Redacted(name="conversation_anonymised"):
            return bare(conversation, recorded, recorded.user_id, anonymised=True)
        case ConversationErased() | Redacted(name="conversation_erased"):
            return bare(conversation, recorded, None, erased=True)
        case Redacted(name="conversation_started"):
            raise misfit(conversation, recorded)
        case MessageRated() | ReplyFailed() | Redacted() | Foreign():
            return replace(conversation, version=version)
        case _:
            raise misfit(conversation, recorded)


def begin(recorded: Recorded) -> Conversation:
    if recorded.version != 1:
        raise misfit(None, recorded)
    at = recorded.recorded_at
    begun = Conversation(recorded.conversation_id, recorded.user_id, 1, started_at=at, last_activity_at=at)
    match recorded.event:
        case ConversationStarted(title=title, links=links, metadata=metadata, name=name):
            return replace(begun, title=title, links=links, metadata=metadata, name=name)
        case Redacted(name="conversation_started"):
            return begun
        case _:
            raise misfit(None, recorded)


def said(conversation: Conversation, recorded: Recorded) -> Conversation:
    opening = conversation.opening
    if opening is None and not conversation.anonymised and isinstance(recorded.event, MessageAdded):
        opening = opening_of(recorded.event)
    return replace(
        conversation,
        version=recorded.version,
        message_count=conversation.message_count + 1,
        opening=opening,
        last_activity_at=recorded.recorded_at,
    )


def bare(conversation: Conversation, recorded: Recorded, user_id: str | None, **now: bool) -> Conversation:
    """Without what could lead to the person: an anonymised one is its pseudonym's, whom the envelope names,
    and an erased one nobody's, though its envelope may not be emptied yet."""
    return replace(
        conversation,
        version=recorded.version,
        user_id=user_id,
        title=None,
        opening=None,
        name=None,
        links=(),
        metadata={},
        **now,
    )


def without(links: tuple[Link, ...], gone: Link) -> tuple[Link, ...]:
    return tuple(link for link in links if link != gone)


def misfit(conversation: Conversation | None, recorded: Recorded) -> HistoryIsBroken:
    event = recorded.event
    name = event.topic if isinstance(event, Redacted | Foreign) else event.__struct_config__.tag
    if conversation is None:
        what = f"it begins with {name}"
    elif recorded.conversation_id != conversation.id:
        what = f"{name} belongs to another conversation than {conversation.id}"
    elif conversation.erased:
        what = f"{name} comes after the conversation was erased"
    elif recorded.version != conversation.version + 1:
        what = f"{name} follows version {conversation.version}"
    else:
        what = f"{name} cannot come after the first event"
    return HistoryIsBroken(what=what, conversation_id=recorded.conversation_id, version=recorded.version)


def stands_alike(one: Conversation, other: Conversation) -> bool:
    """To what is decided about a message, which looks at nothing else of its conversation."""
    return (one.user_id, one.ended, one.anonymised, one.erased) == (
        other.user_id,
        other.ended,
        other.anonymised,
        other.erased,
    )


def expect(conversation: Conversation | None, expected_version: int | None) -> None:
    """For whoever says which version the wish was made on; what is not there yet is at version 0."""
    current = conversation.version if conversation is not None else 0
    if expected_version is not None and expected_version != current:
        raise VersionConflict(expected_version=expected_version, current_version=current)


def start(
    conversation: Conversation | None,
    user_id: str,
    title: str | None = None,
    links: Sequence[Link] = (),
    metadata: dict[str, Any] | None = None,
    limits: Limits = LIMITS,
    name: str | None = None,
) -> Events:
    if conversation is not None:
        raise ConversationIsErased if conversation.erased else ConversationAlreadyStarted
    check_name("user_id", user_id, limits.user_id)
    if title is not None:
        check_name("title", title, limits.title)
    if name is not None:
        check_name("name", name, limits.name)
    for link in links:
        check_link(link, limits)
    different = tuple(dict.fromkeys(links))
    if len(different) > limits.links:
        raise TooManyLinks(limit=limits.links)
    check_metadata(metadata or {}, limits)
    return (ConversationStarted(title=title, links=different, metadata=metadata or {}, name=name),)


def add_message(
    conversation: Conversation,
    wish: MessageAdded,
    existing: Message | None = None,
    late: bool = False,
    limits: Limits = LIMITS,
) -> Events:
    """The wish is the event that would grant it.

    Existing is the message that has the wish's id already, where the caller chose the id. Late is a reply
    that was under way when the session ended: its question is on the record, so its words are too. A reply
    says of `is_fortune` what its question says.
    """
    must_not_be_erased(conversation)
    check_message(wish, limits)
    if existing is not None:
        return add_again(conversation, wish, existing, limits)
    if conversation.ended and not late:
        raise SessionHasEnded
    return (wish,)


def add_again(conversation: Conversation, wish: MessageAdded, existing: Message, limits: Limits) -> Events:
    if existing.removed:
        raise MessageAlreadyAdded(message_id=wish.message_id)
    if stands_as(existing, wish):
        return NOTHING
    if existing.kind == wish.kind == "workflow" and existing.role == wish.role:
        # A workflow is added when it opens and once more, under the same id, when it is done.
        return revise_message(conversation, existing, revision_of(wish), limits)
    raise MessageAlreadyAdded(message_id=wish.message_id)


def add_messages(
    conversation: Conversation,
    wishes: Sequence[MessageAdded],
    existing: Mapping[str, Message] | None = None,
    limits: Limits = LIMITS,
) -> Events:
    """All of them or none. Existing are the messages that have one of the ids already."""
    if len(wishes) > limits.batch:
        raise TooManyMessages(count=len(wishes), limit=limits.batch)
    known = dict(existing or {})
    events: list[Event] = []
    for wish in wishes:
        granted = add_message(conversation, wish, known.get(wish.message_id), limits=limits)
        if granted:
            events += granted
            known[wish.message_id] = new_message(wish, conversation.version + len(events))
    return events


def revise_message(
    conversation: Conversation, message: Message | None, wish: MessageRevised, limits: Limits = LIMITS
) -> Events:
    """The wish is the event that would grant it: the whole new content."""
    must_not_be_erased(conversation)
    message = must_be_there(message, wish.message_id)
    check_body(wish, message.role, limits)
    return NOTHING if has_body_of(message, wish) else (wish,)


def revision_of(wish: MessageAdded) -> MessageRevised:
    return MessageRevised(
        message_id=wish.message_id,
        content=wish.content,
        kind=wish.kind,
        metadata=wish.metadata,
        status=wish.status,
        payload=wish.payload,
    )


def remove_message(conversation: Conversation, message: Message | None, message_id: str) -> Events:
    """Removing twice is no error, as it is none to remove what never was: it is gone either way."""
    must_not_be_erased(conversation)
    if message is None or message.removed:
        return NOTHING
    return (MessageRemoved(message_id=message_id),)


def rate_message(
    conversation: Conversation,
    message: Message | None,
    message_id: str,
    rating: str,
    comment: str | None = None,
    limits: Limits = LIMITS,
) -> Events:
    must_not_be_erased(conversation)
    message = must_be_there(message, message_id)
    check_name("rating", rating, limits.rating)
    if comment is not None:
        check_words("comment", comment, limits.comment)
    if (message.rating, message.comment) == (rating, comment):
        return NOTHING
    return (MessageRated(message_id=message_id, rating=rating, comment=comment),)


def fail_reply(conversation: Conversation, in_reply_to: str, reason: str, limits: Limits = LIMITS) -> Events:
    """An ended session takes this too: it tells what became of a question that was asked before."""
    must_not_be_erased(conversation)
    check_name("in_reply_to", in_reply_to, limits.message_id)
    check_words("reason", reason, limits.reason)
    return (ReplyFailed(in_reply_to=in_reply_to, reason=reason),)


def rename(conversation: Conversation, title: str, limits: Limits = LIMITS) -> Events:
    must_not_be_erased(conversation)
    check_name("title", title, limits.title)
    return NOTHING if title == conversation.title else (ConversationRenamed(title=title),)


def change_metadata(conversation: Conversation, metadata: dict[str, Any], limits: Limits = LIMITS) -> Events:
    """The whole new metadata."""
    must_not_be_erased(conversation)
    check_metadata(metadata, limits)
    return NOTHING if same_json(metadata, conversation.metadata) else (MetadataChanged(metadata=metadata),)


def link(conversation: Conversation, link: Link, limits: Limits = LIMITS) -> Events:
    must_not_be_erased(conversation)
    check_link(link, limits)
    if link in conversation.links:
        return NOTHING
    if len(conversation.links) >= limits.links:
        raise TooManyLinks(limit=limits.links)
    return (ConversationLinked(link=link),)


def unlink(conversation: Conversation, link: Link) -> Events:
    must_not_be_erased(conversation)
    return (ConversationUnlinked(link=link),) if link in conversation.links else NOTHING


def end(conversation: Conversation, reason: str | None = None, limits: Limits = LIMITS) -> Events:
    must_not_be_erased(conversation)
    check_reason(reason, limits)
    return NOTHING if conversation.ended else (SessionEnded(reason=reason),)


def reopen(conversation: Conversation, reason: str | None = None, limits: Limits = LIMITS) -> Events:
    must_not_be_erased(conversation)
    check_reason(reason, limits)
    return (SessionReopened(reason=reason),) if conversation.ended else NOTHING


def anonymise(
    conversation: Conversation,
    requested_by: str,
    reason: str,
    counts: dict[str, int] | None = None,
    limits: Limits = LIMITS,
    rewritten: str | None = None,
) -> Events:
    must_not_be_erased(conversation)
    if conversation.anonymised:
        return NOTHING
    check_request(requested_by, reason, limits)
    if rewritten is not None:
        check_name("rewritten", rewritten, LONGEST_DIGEST)
    counts = {"messages": conversation.message_count} if counts is None else counts
    anonymised = ConversationAnonymised(
        requested_by=requested_by, reason=reason, counts=counts, rewritten=rewritten
    )
    return (anonymised,)


def erase(
    conversation: Conversation,
    requested_by: str,
    reason: str,
    counts: dict[str, int] | None = None,
    limits: Limits = LIMITS,
) -> Events:
    if conversation.erased:
        return NOTHING
    check_request(requested_by, reason, limits)
    counts = {"messages": conversation.message_count} if counts is None else counts
    return (ConversationErased(requested_by=requested_by, reason=reason, counts=counts),)


def must_not_be_erased(conversation: Conversation) -> None:
    if conversation.erased:
        raise ConversationIsErased


def must_be_there(message: Message | None, message_id: str) -> Message:
    if message is None or message.removed:
        raise MessageNotFound(message_id=message_id)
    return message


def check_reason(reason: str | None, limits: Limits) -> None:
    if reason is not None:
        check_words("reason", reason, limits.reason)


def check_request(requested_by: str, reason: str, limits: Limits) -> None:
    check_name("requested_by", requested_by, limits.user_id)
    check_words("reason", reason, limits.reason)
