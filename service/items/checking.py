"""What an item must be to be kept: an object of JSON with a type. What is in it, nobody has to know."""

from typing import Any, Final

import msgspec

from domain.content import LIMITS, ROLES, Limits, check_json, check_name, check_one_of
from domain.errors import ContentTooLong
from service.items.errors import ItemUnfit
from service.items.sorts import MESSAGE, REFERENCE, Item, type_of

FAKE_ID: Final = "__fake_id__"
"""What the Agents SDK calls every item that its model gave no id."""


def check_item(item: Any, field: str, limits: Limits = LIMITS) -> None:
    """Field is what the caller calls it: `item`, or `items[2]`."""
    if not isinstance(item, dict):
        raise ItemUnfit(field=field, what=told(item), expected="an object")
    check_json(field, item, limits.payload_depth, limits.payload_depth)
    size = len(msgspec.json.encode(item))
    if size > limits.message_bytes:
        raise ContentTooLong(field=field, size=size, limit=limits.message_bytes)
    check_type(item, field)
    check_id(item, field, limits)
    if type_of(item) == MESSAGE:
        check_words_of(item, field)


def check_type(item: Item, field: str) -> None:
    given = item.get("type")
    if given is None and ("role" in item or "id" in item):
        return
    if not isinstance(given, str) or not given:
        raise ItemUnfit(field=f"{field}.type", what=told(given), expected="text")


def check_id(item: Item, field: str, limits: Limits) -> None:
    given = item.get("id")
    if given is not None and not isinstance(given, str):
        raise ItemUnfit(field=f"{field}.id", what=told(given), expected="text")
    if given:
        check_name(f"{field}.id", given, limits.message_id)


def check_words_of(message: Item, field: str) -> None:
    role = message.get("role")
    if not isinstance(role, str):
        raise ItemUnfit(field=f"{field}.role", what=told(role), expected="text")
    check_one_of(f"{field}.role", role, ROLES)
    content = message.get("content")
    if not isinstance(content, str | list):
        raise ItemUnfit(field=f"{field}.content", what=told(content), expected="text or a list of parts")


def own_id(item: Item) -> str | None:
    """None where it is to be given one. The id in a reference is that of another item, which keeps it."""
    if type_of(item) == REFERENCE:
        return None
    given = item.get("id")
    return given if given and given != FAKE_ID else None


def told(value: Any) -> str:
    match value:
        case None:
            return "missing"
        case "":
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
