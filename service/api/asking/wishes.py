"""Messages that a caller wants on the record, and the events that would put them there."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from msgspec import UNSET, UnsetType, field
from msgspec.structs import replace

from domain import events
from domain.message import kind_of_words
from service.api.answering.documented import MESSAGE_ID, TOKENS
from service.api.answering.wire import Sent
from service.items.checking import own_id
from service.items.errors import ItemContradicted
from service.items.openai import as_added
from service.store.ids import new_id


class NewMessage(Sent, frozen=True, kw_only=True):
    """Its words, or an item of OpenAI's, which has them in it. An id of the caller's own makes it harmless to
    add the message twice."""

    EITHER: ClassVar = (("role", "content"), ("item",))

    role: events.Role | UnsetType = UNSET
    content: str | UnsetType = UNSET
    item: dict[str, Any] | UnsetType = UNSET
    id: Annotated[str | None, MESSAGE_ID] = None
    is_fortune: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    in_reply_to: Annotated[str | None, MESSAGE_ID] = None
    status: events.Status = "complete"
    tokens: Annotated[int | None, TOKENS] = None

    def __post_init__(self) -> None:
        for name in () if self.item is not UNSET else ("role", "content"):
            if getattr(self, name) is UNSET:
                raise ValueError(f"Object missing required field `{name}`")

    @property
    def own_id(self) -> str | None:
        """What the caller calls it, here or in the item."""
        return own_id(self.item) if self.id is None and self.item is not UNSET else self.id


def wishes(messages: Sequence[NewMessage]) -> list[events.MessageAdded]:
    return [wish(message, f"messages[{place}].") for place, message in enumerate(messages)]


def wish(message: NewMessage, place: str = "") -> events.MessageAdded:
    """Place is where it stands in what was sent: a refusal names the field by it."""
    added = words(message) if message.item is UNSET else whole(message, message.item, place)
    return replace(
        added,
        is_fortune=message.is_fortune,
        metadata=message.metadata,
        in_reply_to=message.in_reply_to,
        tokens=message.tokens,
    )


def words(message: NewMessage) -> events.MessageAdded:
    role: Any = message.role
    content: Any = message.content
    return events.MessageAdded(
        message_id=str(new_id()) if message.id is None else message.id,
        role=role,
        content=content,
        kind=kind_of_words(role),
        status=message.status,
    )


def whole(message: NewMessage, item: dict[str, Any], place: str) -> events.MessageAdded:
    """The item says it all; what is said beside it must be the same."""
    added = as_added(item, new_id, f"{place}item")
    named = message.id is not None and own_id(item) is None
    said = {"id": message.id, "role": message.role, "content": message.content}
    taken = {"id": message.id if named else added.message_id, "role": added.role, "content": added.content}
    for name, value in said.items():
        if value not in (None, UNSET, taken[name]):
            raise ItemContradicted(field=f"{place}{name}")
    status = message.status if message.status == "interrupted" else added.status
    return replace(added, message_id=taken["id"], status=status)
