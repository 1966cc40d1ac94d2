"""What a person reads of an item: what is searched, counted and titled by. Nothing of what is encrypted.

An item may hold anything, so nothing here may fail, whatever it finds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    return (OF_TYPE.get(type_of(item)) or OF_KIND.get(sort_of(item).kind, said_by))(item)


def said_in(message: Item) -> str:
    return lines(in_fields(message, ["content"]))


def thought_in(reasoning: Item) -> str:
    return lines(in_fields(reasoning, ["summary", "content"]))


def shown_by(image: Item) -> str:
    return lines(in_fields(image, ["revised_prompt"])) or "[image]"


def answered_by(response: Item) -> str:
    answer = "approved" if response.get("approve") is True else "refused"
    return lines((answer, *in_fields(response, ["reason"])), ": ")


def called_by(call: Item) -> str:
    return lines((asked_for(call), *in_fields(call, RETURNED)))


def returned_by(output: Item) -> str:
    return lines(in_fields(output, RETURNED))


def said_by(item: Item) -> str:
    return lines(in_fields(item, SAID))


def in_fields(item: Item, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield from words_of(item.get(name))


def asked_for(call: Item) -> str:
    """`get_weather({"city": "Paris"})`"""
    name = call.get("name")
    tool = name if isinstance(name, str) and name else type_of(call).removesuffix("_call")
    given = next((call[field] for field in GIVEN if call.get(field) is not None), "")
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


OF_TYPE: Final[Mapping[str, Callable[[Item], str]]] = {
    MESSAGE: said_in,
    REASONING: thought_in,
    IMAGE: shown_by,
    RESPONSE: answered_by,
}
OF_KIND: Final[Mapping[str, Callable[[Item], str]]] = {
    "tool_call": called_by,
    "tool_output": returned_by,
    "approval": asked_for,
}
