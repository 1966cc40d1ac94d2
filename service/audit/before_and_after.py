"""What stood before an event, and after it: as much of the past as the events that were taken tell."""

from collections.abc import Collection
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from domain.conversation import without
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
    SessionEnded,
    SessionReopened,
)
from domain.message import Message, evolve_message, new_message
from domain.recorded import Recorded, Redacted

Part = dict[str, Any]


class PastState(Struct):
    """Takes events in order, and refuses none: an auditor reads most closely where a history does not fit."""

    title: str | None = None
    links: tuple[Link, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    ended: bool = False
    messages: dict[str, Message] = field(default_factory=dict)

    def take(self, recorded: Recorded) -> None:
        match recorded.event:
            case MessageAdded() as added:
                self.messages[added.message_id] = new_message(added, recorded.version)
            case (MessageRevised() | MessageRated() | MessageRemoved()) as change:
                if (message := self.messages.get(change.message_id)) is not None:
                    self.messages[change.message_id] = evolve_message(message, recorded)
            case ConversationStarted() as started:
                self.title, self.links, self.metadata = started.title, started.links, started.metadata
            case ConversationRenamed(title=title):
                self.title = title
            case MetadataChanged(metadata=metadata):
                self.metadata = metadata
            case ConversationLinked(link=link):
                self.links = (*self.links, link)
            case ConversationUnlinked(link=link):
                self.links = without(self.links, link)
            case SessionEnded() | Redacted(name="session_ended"):
                self.ended = True
            case SessionReopened() | Redacted(name="session_reopened"):
                self.ended = False
            case ConversationAnonymised():
                self._forget({key: nameless(message) for key, message in self.messages.items()})
            case ConversationErased():
                self._forget({})

    def part(self, event: Event) -> Part | None:
        """What the event is about, as it stands now; None where nothing stands, or nothing is told of it."""
        match event:
            case MessageRated(message_id=message_id):
                message = self.message(message_id)
                return {"rating": message.rating, "comment": message.comment} if message else None
            case MessageAdded() | MessageRevised() | MessageRemoved():
                message = self.message(event.message_id)
                return {"message": message} if message else None
            case ConversationStarted(name=name):
                named = {} if name is None else {"name": name}
                return {"title": self.title, "links": self.links, "metadata": self.metadata, **named}
            case ConversationRenamed():
                return {"title": self.title}
            case MetadataChanged():
                return {"metadata": self.metadata}
            case ConversationLinked() | ConversationUnlinked():
                return {"links": self.links}
            case SessionEnded() | SessionReopened():
                return {"ended": self.ended}
        return None

    def message(self, message_id: str) -> Message | None:
        message = self.messages.get(message_id)
        return None if message is None or message.removed else message

    def is_about(self, event: Event, kinds: Collection[str]) -> bool:
        """Whether the message that it is about is of one of these kinds, if it is about one."""
        match event:
            case MessageAdded(kind=kind) | MessageRevised(kind=kind):
                return kind in kinds
            case MessageRated(message_id=message_id) | MessageRemoved(message_id=message_id):
                message = self.messages.get(message_id)
                return message is None or message.kind in kinds
        return True

    def _forget(self, messages: dict[str, Message]) -> None:
        self.title, self.links, self.metadata, self.messages = None, (), {}, messages


def nameless(message: Message) -> Message:
    return replace(message, metadata={}, payload=None)


def taken(standing: PastState, recorded: Recorded) -> tuple[Part | None, Part | None]:
    """What the event found, and what it left."""
    event = recorded.event
    before = None if isinstance(event, ConversationStarted) else standing.part(event)
    standing.take(recorded)
    return before, standing.part(event)
