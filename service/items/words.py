"""What a person reads of an item: what is searched, counted and titled by. Nothing of what is encrypted.

An item may hold anything, so nothing here may fail, whatever it finds.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from service.items.parts import lines, words_of
from service.items.sorts import IMAGE, MESSAGE, REASONING, RESPONSE, Item, sort_of, type_of

GIVEN: Final = ("arguments", "input", "code", "queries", "action", "actions", "operation")
"""Where a call has what its tool is given."""
RETURNED: Final = ("output", "outputs", "result", "results", "error", "tools")
"""Where an output has its words, and a call that was answered in the same item."""
SAID: Final = ("text", "summary", "content", "output", "tools")
"""Where an item of another type may have some."""


def text_of(item: Item) -> str:
    match type_of(item):
        case type_ if type_ == MESSAGE:
            return lines(words_of(item.get("content")))
        case type_ if type_ == REASONING:
            return lines(in_fields(item, ("summary", "content")))
        case type_ if type_ == IMAGE:
            return lines(words_of(item.get("revised_prompt"))) or "[image]"
        case type_ if type_ == RESPONSE:
            return lines(answer_in(item), ": ")
    match sort_of(item).kind:
        case "tool_call":
            return lines((call_of(item), *in_fields(item, RETURNED)))
        case "approval":
            return call_of(item)
        case "tool_output":
            return lines(in_fields(item, RETURNED))
        case _:
            return lines(in_fields(item, SAID))


def in_fields(item: Item, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield from words_of(item.get(name))


def answer_in(response: Item) -> Iterator[str]:
    yield "approved" if response.get("approve") is True else "refused"
    yield from words_of(response.get("reason"))


def call_of(item: Item) -> str:
    """`get_weather({"city": "Paris"})`"""
    name = item.get("name")
    tool = name if isinstance(name, str) and name else type_of(item).removesuffix("_call")
    given = next((item[field] for field in GIVEN if item.get(field) is not None), "")
    return f"{tool}({told_to(given)})"


def told_to(given: Any) -> str:
    match given:
        case str():
            return given
        case {"commands": list(commands)}:
            return lines(words_of(commands), "; ")
        case {"command": list(words)}:
            return lines(words_of(words), " ")
        case {"query": str(words)} | {"pattern": str(words)} | {"url": str(words)}:
            return words
        case {"type": str(change), "path": str(path)}:
            return lines((f"{change} {path}", *words_of(given.get("diff"))))
        case [*texts] if texts and all(isinstance(each, str) for each in texts):
            return ", ".join(texts)
        case _:
            return msgspec.json.encode(given).decode()
