"""What every call of the Store carries: who asks, about what, and what this request has seen."""

from typing import Any, Final

from msgspec import Struct, field

from service.store.repository import Caller

OPPORTUNITY: Final = "opportunity"
"""The kind of link that the active opportunity becomes."""


class ChatContext(Struct, eq=False):
    """One a request: what `seen` knows of another request's threads would be taken for this one's."""

    caller: Caller
    opportunity: str | None = None
    """The one that is active: a thread that is created now is linked to it."""
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Each thread's fields as this request saw them first, or saved them last. ChatKit saves a thread whole:
    only what differs from this is what the request wants changed."""
    called: dict[str, str] = field(default_factory=dict)
    """What lists call the threads that nobody has given a title."""
    replies: set[str] = field(default_factory=set)
    """The items that are replies of the server's, which it stores itself, however they end."""
    cut_off: set[str] = field(default_factory=set)
    """The items that end before they are done: they are stored as interrupted messages."""

    @classmethod
    def of(cls, user_id: str, opportunity: str | None = None) -> "ChatContext":
        """For a server of one's own, which has found out who asks."""
        return cls(Caller(user_id), opportunity)

    @property
    def user_id(self) -> str:
        return self.caller.user_id
