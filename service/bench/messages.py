"""What is said in the measurements: messages of 300 bytes, some of whose words are common and some rare."""

import random
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from domain.events import MessageAdded

BYTES: Final = 300
COMMON: Final = "budget"
"""In nearly every message."""
RARE_WORDS: Final = 100_000
"""Each message has one of so many; so each is in about ten of a million."""

SYLLABLES: Final = ("ba", "do", "fi", "ga", "le", "mo", "nu", "pre", "ri", "sta", "ten", "vo")


def words() -> list[str]:
    return [first + second + third for first in SYLLABLES for second in SYLLABLES for third in SYLLABLES]


def texts(count: int = 2_000) -> list[str]:
    """As in a language, a few words make up most of a text."""
    chance = random.Random(1)  # noqa: S311 - the same texts each time
    vocabulary = words()
    chance.shuffle(vocabulary)
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    return [" ".join([COMMON, *chance.choices(vocabulary, weights, k=60)]) for _ in range(count)]


TEXTS: Final = texts()


def rare(number: int) -> str:
    return f"case{number % RARE_WORDS:06}"


def content(number: int) -> str:
    """300 bytes, with the rare word of this number at the end."""
    word = rare(number)
    text: str = TEXTS[number % len(TEXTS)][: BYTES - len(word) - 1]
    return f"{text.ljust(BYTES - len(word) - 1, '.')} {word}"


def message(number: int) -> MessageAdded:
    return MessageAdded(str(uuid4()), "assistant" if number % 2 else "user", content(number))


def messages(first: int, count: int) -> Iterator[MessageAdded]:
    return map(message, range(first, first + count))
