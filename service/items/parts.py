"""The words in the parts that items are made of; `[image]` and the like stand where words cannot."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

WORDS: Final = ("text", "refusal", "logs", "transcript", "stdout", "stderr", "message", "content")
INSTEAD: Final = {
    "computer_screenshot": "screenshot",
    "input_audio": "audio",
    "input_file": "file",
    "input_image": "image",
    "output_audio": "audio",
    "output_image": "image",
}
NAMES: Final = ("filename", "name", "server_label")
"""What a part is called: a file, a tool, a server of tools."""


def words_of(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from words_of(each)
        case dict():
            yield from words_of_part(value)


def words_of_part(part: dict[str, Any]) -> Iterator[str]:
    said = [words for field in WORDS for words in words_of(part.get(field))]
    if any(said):
        yield from said
    elif any(field in part for field in WORDS):
        return
    elif (name := name_of(part)) is not None:
        yield name


def name_of(part: dict[str, Any]) -> str | None:
    """`[image]`, `[file: plan.pdf]`; a tool is read by its name alone."""
    name = next((part[field] for field in NAMES if isinstance(part.get(field), str)), None)
    type_ = part.get("type")
    if not isinstance(type_, str):
        return name
    what = INSTEAD.get(type_)
    if what is None:
        return name or f"[{type_.replace('_', ' ')}]"
    return f"[{what}: {name}]" if name else f"[{what}]"


def lines(words: Iterable[str], between: str = "\n") -> str:
    return between.join(filter(None, words))
