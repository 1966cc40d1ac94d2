"""Every refusal there is; its docstring is its message, filled in with what the refusal knows.

Refusal
├── ConversationNotFound, MessageNotFound
├── SessionHasEnded, ConversationIsErased, ConversationAlreadyStarted, NameIsTaken, MessageAlreadyAdded
├── VersionConflict, CommandReused, Contended
├── ContentRefused
│   ├── ContentTooLong, ContentNotText, ContentEmpty
│   ├── MetadataTooLarge, MetadataTooDeep, NotJson
│   ├── NameTooLong, NameHasNul, NotOneOf, NumberOutOfRange
│   └── TooManyLinks, TooManyMessages
└── HistoryIsBroken
    └── EventUnreadable
"""

import inspect
from typing import Any


class Refusal(Exception):
    """The wish was refused."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__((inspect.getdoc(type(self)) or "").replace("\n", " ").format(**facts))


class ConversationNotFound(Refusal):
    """There is no such conversation."""


class MessageNotFound(Refusal):
    """There is no message {message_id} in this conversation."""


class SessionHasEnded(Refusal):
    """The session has ended: reopen it, or start another."""


class ConversationIsErased(Refusal):
    """The conversation was erased: nothing can be added to it; start another."""


class ConversationAlreadyStarted(Refusal):
    """A conversation with this id has been started already; leave the id out to get a new one."""


class NameIsTaken(Refusal):
    """Another conversation of this user has the name already: {conversation_id}; go on with that one,
    or choose another name."""


class MessageAlreadyAdded(Refusal):
    """Another message with the id {message_id} is in this conversation already;
    revise it, or use a new id."""


class VersionConflict(Refusal):
    """The conversation has moved on: it is at version {current_version}, not {expected_version};
    read it again and decide again."""


class CommandReused(Refusal):
    """This idempotency key was used before with another request; use a new key for a new request."""


class Contended(Refusal):
    """Others were always quicker: at each of {attempts} attempts the conversation had moved on; try again."""


class ContentRefused(Refusal):
    """What was sent cannot be kept."""


class ContentTooLong(ContentRefused):
    """{field} is {size} bytes long; the limit is {limit}."""


class ContentNotText(ContentRefused):
    """{field} is not Unicode text from character {at} on; send it as valid UTF-8, without half of a
    surrogate pair."""


class ContentEmpty(ContentRefused):
    """{field} is empty; send at least one character."""


class MetadataTooLarge(ContentRefused):
    """{field} is {size} bytes of JSON; the limit is {limit}."""


class MetadataTooDeep(ContentRefused):
    """{field} is nested more than {limit} levels deep; flatten it."""


class NotJson(ContentRefused):
    """{field} holds {what}, which JSON cannot hold; send it as text."""


class TooManyLinks(ContentRefused):
    """A conversation has at most {limit} links; remove one first."""


class TooManyMessages(ContentRefused):
    """There are {count} messages in one batch; the limit is {limit}: send them in several."""


class NameTooLong(ContentRefused):
    """{field} is {size} characters long; the limit is {limit}."""


class NameHasNul(ContentRefused):
    """{field} holds a NUL character at {at}, which only the text of a message may; leave it out."""


class NotOneOf(ContentRefused):
    """{field} is {value!r}; it must be one of {allowed}."""


class NumberOutOfRange(ContentRefused):
    """{field} is {value}; it must be from {low} to {high}."""


class HistoryIsBroken(Refusal):
    """The stored history does not fit together: {what},
    in conversation {conversation_id} at version {version}."""


class EventUnreadable(HistoryIsBroken):
    """A stored {topic} event cannot be read: {why}."""
