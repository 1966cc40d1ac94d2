"""A conversation's metadata as OpenAI has it: a few pairs of short texts."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from domain.content import check_words
from service.api.answering.documented import Pairs
from service.api.answering.errors import TooManyPairs

MOST_PAIRS: Final = 16
LONGEST_KEY: Final = 64
LONGEST_VALUE: Final = 512

Metadata = Annotated[dict[str, str] | None, Pairs(MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE)]


def checked(given: Mapping[str, str] | None) -> dict[str, str]:
    metadata = dict(given or {})
    if len(metadata) > MOST_PAIRS:
        raise TooManyPairs(field="metadata", count=len(metadata), limit=MOST_PAIRS)
    for key, value in metadata.items():
        check_words("a key of metadata", key, LONGEST_KEY)
        check_words(f"metadata.{key}", value, LONGEST_VALUE)
    return metadata


def shown(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Of other surfaces it may hold any JSON; what is no text is shown as its JSON."""
    return {key: as_text(value) for key, value in metadata.items()}


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def replaced(before: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """A value that comes back as it was shown stays what it was."""
    return {
        key: before[key] if key in before and as_text(before[key]) == value else value
        for key, value in given.items()
    }
