"""Items whose ids the record may know already: sent again by a retry, or read here and sent back."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.content import same_json
from domain.errors import MessageAlreadyAdded
from domain.events import MessageAdded
from domain.message import Message
from service.items.openai import item_of_added, message_ids_for
from service.items.sorts import sort_of


class Settled(Struct, frozen=True):
    """How an item is to be on the record, and whether it has to be added for that."""

    added: MessageAdded
    is_there: bool = False


def ids_about(wishes: Sequence[MessageAdded]) -> list[str]:
    """Of all the messages that these may mean."""
    return [each for wish in wishes for each in message_ids_for(wish.message_id)]


def settled(
    wishes: Sequence[MessageAdded], messages: Mapping[str, Message], new_id: Callable[[], UUID]
) -> list[Settled]:
    return [settle(wish, messages, new_id) for wish in wishes]


def settle(wish: MessageAdded, messages: Mapping[str, Message], new_id: Callable[[], UUID]) -> Settled:
    """An id is used once: an item that was removed and comes again gets another. A message that was said
    elsewhere and read here comes back as the item that it was read as: it is not said twice."""
    same, *others = (messages.get(each) for each in message_ids_for(wish.message_id))
    if same is not None:
        return Settled(under_another_id(wish, new_id) if same.removed else wish)
    read = next((each for each in others if each is not None and not each.removed), None)
    if read is None:
        return Settled(wish)
    if not same_json(item_of_added(as_added(read)), item_of_added(wish)):
        raise MessageAlreadyAdded(message_id=wish.message_id)
    return Settled(as_added(read), is_there=True)


def under_another_id(wish: MessageAdded, new_id: Callable[[], UUID]) -> MessageAdded:
    prefix = sort_of(wish.payload.data).prefix if wish.payload is not None else ""
    return replace(wish, message_id=prefix + new_id().hex)


def to_add(settled: Sequence[Settled]) -> list[MessageAdded]:
    return [each.added for each in settled if not each.is_there]


def as_added(message: Message) -> MessageAdded:
    """As it would be added now."""
    return MessageAdded(
        message_id=message.id,
        role=message.role,
        content=message.content,
        kind=message.kind,
        status=message.status,
        payload=message.payload,
    )
