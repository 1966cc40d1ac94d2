"""What a reader of some format gives to the import: whole conversations, and what it had to leave out."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.errors import Refusal
from domain.events import Event


class Incoming(Struct, frozen=True):
    """One conversation, as it is to stand in the log.

    Importing again adds nothing only if the same conversation comes with the same id, message ids and times
    each time: what has no ids of its own gets them by uuid5 of what it is called where it comes from.
    """

    user_id: str
    conversation_id: UUID
    events: Sequence[tuple[datetime, Event]]
    """Each with the time at which it happened, which has a zone; ConversationStarted first. Walked through
    twice: once to check all of it, once to store it."""
    actor: str | None = None
    where: str = ""
    """In what is read, for a person who looks there: `conversations.json: conversation 17`."""


class Skipped(Struct, frozen=True):
    """Something that was not imported."""

    where: str
    """`line 17`, `conversations.json: conversation 17`."""
    what: str
    """`conversation 0198…`, `an image`."""
    why: str


class Unfit(Refusal):
    """{what}."""
