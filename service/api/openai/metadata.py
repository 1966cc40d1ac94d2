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
NONE: Final[Mapping[str, Any]] = {}

Metadata = Annotated[dict[str, str] | None, Pairs(MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE)]


def wanted(given: Mapping[str, str] | None, before: Mapping[str, Any] = NONE) -> dict[str, Any]:
    """What the metadata is to be. A value that comes back as it was shown stays what it was, whatever that
    is: other surfaces may have given it, and more of them than here."""
    carried = {key: before[key] for key, value in (given or {}).items() if is_shown_as(before, key, value)}
    own = {key: value for key, value in (given or {}).items() if key not in carried}
    if own and len(own) + len(carried) > MOST_PAIRS:
        raise TooManyPairs(field="metadata", count=len(own) + len(carried), limit=MOST_PAIRS)
    for key, value in own.items():
        check_words("a key of metadata", key, LONGEST_KEY)
        check_words(f"metadata.{key}", value, LONGEST_VALUE)
    return {key: carried.get(key, value) for key, value in (given or {}).items()}


def shown(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Of other surfaces it may hold any JSON; what is no text is shown as its JSON."""
    return {key: as_text(value) for key, value in metadata.items()}


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def is_shown_as(metadata: Mapping[str, Any], key: str, text: str) -> bool:
    return key in metadata and as_text(metadata[key]) == text
