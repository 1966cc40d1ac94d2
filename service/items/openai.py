"""OpenAI's items as messages, and messages as OpenAI's items.

An item is kept whole beside its text, so that it comes back as it was given, whatever is in it. What other
surfaces say has no such payload, and reads as the message that it amounts to.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.events import MessageAdded, Payload, Status
from projections import history
from service.items.checking import check_item, own_id
from service.items.sorts import MESSAGE, REFERENCE, Item, sort_of, type_of
from service.items.words import text_of

SCHEMA: Final = "openai.item.v1"
MADE_HERE: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The ids that other surfaces make."""
PREFIXED: Final = re.compile(r"msg_([0-9a-f]{32})")

decode_payload: Final = msgspec.json.Decoder(Payload).decode


def as_added(item: Any, new_id: Callable[[], UUID], field: str = "item") -> MessageAdded:
    """Field is what the caller calls the item; a refusal names it."""
    check_item(item, field)
    sort = sort_of(item)
    given = own_id(item)
    return MessageAdded(
        message_id=sort.prefix + new_id().hex if given is None else given,
        role=sort.role,
        content=text_of(item),
        kind=sort.kind,
        status=status_of(item),
        payload=Payload(SCHEMA, item),
    )


def status_of(item: Item) -> Status:
    return "interrupted" if item.get("status") == "incomplete" else "complete"


def item_of(row: history.HistoryMessage) -> Item:
    payload = payload_of(row)
    if payload is None:
        return plain(row.message_id, row.role, row.status, history.decode_text(row.content))
    return restored(payload.data, row.message_id)


def item_of_added(added: MessageAdded) -> Item:
    """The same, of a message that was just added."""
    if added.payload is None or added.payload.schema != SCHEMA:
        return plain(added.message_id, added.role, added.status, added.content)
    return restored(added.payload.data, added.message_id)


def item_as_given(row: history.HistoryMessage) -> Item:
    """To the letter, without an id if it had none; of another surface, only whose words it is."""
    payload = payload_of(row)
    if payload is None:
        return {"role": row.role, "content": history.decode_text(row.content)}
    return payload.data


def item_id_of(row: history.HistoryMessage) -> str:
    """What leads to it: the id of its item, but for a reference, whose item has the id of another."""
    return row.message_id if payload_of(row) is not None else prefixed(row.message_id)


def message_ids_for(item_id: str) -> list[str]:
    """The messages that an item's id may mean: the one with that id, and the one that is read under it."""
    found = PREFIXED.fullmatch(item_id)
    return [item_id] if found is None else [item_id, str(UUID(found[1]))]


def payload_of(row: history.HistoryMessage) -> Payload | None:
    payload = None if row.payload is None else decode_payload(row.payload)
    return payload if payload is not None and payload.schema == SCHEMA else None


def restored(item: Item, message_id: str) -> Item:
    """As it was given. A message may be given in short, and is always read in full. What an import brought
    nobody has looked at."""
    if type_of(item) == REFERENCE:
        return item
    whole = item if item.get("id") == message_id else {"id": message_id} | item | {"id": message_id}
    if type_of(item) != MESSAGE:
        return whole
    if isinstance(content := item.get("content"), str):
        whole = whole | {"content": [part_of(item.get("role"), content)]}
    if item.get("status") is None:
        whole = whole | {"status": "completed"}
    return whole if item.get("type") else whole | {"type": MESSAGE}


def plain(message_id: str, role: str, status: str, text: str) -> Item:
    return {
        "id": prefixed(message_id),
        "type": MESSAGE,
        "status": "incomplete" if status == "interrupted" else "completed",
        "role": role,
        "content": [part_of(role, text)],
    }


def part_of(role: Any, text: str) -> Item:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": []}
    return {"type": "input_text", "text": text}


def prefixed(message_id: str) -> str:
    return f"msg_{UUID(message_id).hex}" if MADE_HERE.fullmatch(message_id) else message_id
