"""Taggers: regular expressions by name, looked for in time that grows with the text and never faster.

A backtracking engine can need minutes for a text of some hundred thousand characters, and a tag must be the
same whenever it is looked for: so it can be neither given up nor cut short.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
import re2  # type: ignore[import-untyped]

ENGINE: Final = "re2"
OPTIONS: Final = re2.Options()
OPTIONS.log_errors = False
OPTIONS.never_capture = True


class BadTagger(ValueError):
    """Names the tagger that cannot be compiled, and says why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the tagger {name!r} cannot be compiled: {why}")


class Taggers:
    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = dict(sorted(patterns.items()))
        self._compiled = {name: compiled(name, pattern) for name, pattern in self._patterns.items()}

    def __bool__(self) -> bool:
        return bool(self._compiled)

    @property
    def digest(self) -> str:
        """Of all that decides what is found."""
        named = msgspec.json.encode([ENGINE, self._patterns])
        return sha256(named).hexdigest()[:12]

    def find(self, text: str) -> list[str]:
        """The names of those that are found in it."""
        return [name for name, pattern in self._compiled.items() if pattern.search(text)]


def compiled(name: str, pattern: str) -> re2._Regexp:
    try:
        return re2.compile(pattern, OPTIONS)
    except re2.error as wrong:
        why = wrong.args[0]
        raise BadTagger(name, why.decode(errors="replace") if isinstance(why, bytes) else str(why)) from None
    except UnicodeEncodeError:
        raise BadTagger(name, "it holds half of a surrogate pair") from None
