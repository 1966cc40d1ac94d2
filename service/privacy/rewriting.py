"""What is left of an event when the tie to its person is cut: the words, and nothing that was attached."""

from msgspec.structs import replace

from domain.events import (
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Event,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from domain.recorded import Redacted, Unreadable
from service.privacy.names import renamed


def without_person(event: Event, user_id: str, pseudonym: str) -> Event | None:
    """None where nothing is left to say. Ids of messages change like the words do, so that what answers what
    can still be told."""

    def named(text: str) -> str:
        return renamed(text, user_id, pseudonym)[0]

    match event:
        case ConversationStarted():
            return ConversationStarted()
        case MessageAdded(in_reply_to=question):
            return replace(
                event,
                message_id=named(event.message_id),
                content=named(event.content),
                kind=named(event.kind),
                metadata={},
                in_reply_to=None if question is None else named(question),
                payload=None,
            )
        case MessageRevised():
            return replace(
                event,
                message_id=named(event.message_id),
                content=named(event.content),
                kind=named(event.kind),
                metadata={},
                payload=None,
            )
        case MessageRemoved(message_id=message_id):
            return replace(event, message_id=named(message_id))
        case MessageRated(message_id=message_id, rating=rating):
            return MessageRated(message_id=named(message_id), rating=named(rating))
        case ReplyFailed(in_reply_to=question, reason=reason):
            return ReplyFailed(in_reply_to=named(question), reason=named(reason))
        case SessionEnded() | SessionReopened():
            return replace(event, reason=None)
        case ConversationRenamed() | MetadataChanged() | ConversationLinked() | ConversationUnlinked():
            return None
        case Redacted() | Unreadable():
            return None  # of what cannot be read nobody knows what it tells
        case _:
            return event


def mentions_in(event: Event, user_id: str) -> int:
    """How often the words name the person by id."""
    match event:
        case MessageAdded(content=content) | MessageRevised(content=content):
            return renamed(content, user_id, "")[1]
        case _:
            return 0
