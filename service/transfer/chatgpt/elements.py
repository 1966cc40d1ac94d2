"""The elements of a JSON array, one by one and as they stand, however long the array is."""

import re
from collections.abc import Iterator
from typing import IO, Final

CHUNK: Final = 1 << 20
LONGEST: Final = 1 << 27
"""Of one element, in bytes: the memory that a hostile file can take."""

# Each runs over strings and whatever is neutral, in C, and stops behind what is not.
INSIDE: Final = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"|[^"{}\[\]]++)*+[{}\[\]]', re.DOTALL)
BETWEEN: Final = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"|[^"{}\[\],]++)*+[{}\[\],]', re.DOTALL)
BLANK: Final = b" \t\r\n"
MARK: Final = b"\xef\xbb\xbf"
OPENING: Final = frozenset(b"{[")


class NotAnArray(Exception):
    """The text says what is there instead, or where it breaks off."""


def elements(file: IO[bytes]) -> Iterator[bytes]:
    """What stands alone, as an object, is its own only element."""
    return Splitter(file).elements()


class Splitter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._text = b""
        self._start = 0
        """Of the element that is being looked at."""
        self._at = 0
        """How far it has been looked at."""
        self._number = 1

    def elements(self) -> Iterator[bytes]:
        match self._first():
            case b"{":
                yield self._object()
            case b"[":
                self._start = self._at = self._at + 1
                yield from self._of_array()
            case other:
                found = f"begins with {other!r}" if other else "is empty"
                raise NotAnArray(f"it {found}; JSON that begins with [ or {{ is expected")

    def _first(self) -> bytes:
        self._text = self._file.read(CHUNK).removeprefix(MARK).lstrip(BLANK)
        return self._text[:1]

    def _object(self) -> bytes:
        self._to_its_end(alone=True)
        return self._text[: self._at]

    def _of_array(self) -> Iterator[bytes]:
        while True:
            last = self._to_its_end()
            if element := self._text[self._start : self._at - 1].strip(BLANK):
                yield element
                self._number += 1
            if last:
                return
            self._start = self._at

    def _to_its_end(self, alone: bool = False) -> bool:
        """Behind the comma that follows the element, or the bracket that ends the array: then it is the last.
        What stands alone is followed by nothing."""
        depth = 0
        while True:
            found = self._next(INSIDE if depth else BETWEEN)
            if found in OPENING:
                depth += 1
            elif depth:
                depth -= 1
                if alone and not depth:
                    return True
            else:
                return found != ord(",")

    def _next(self, pattern: re.Pattern[bytes]) -> int:
        while (found := pattern.match(self._text, self._at)) is None:
            self._read_on()
        self._at = found.end()
        if self._at - self._start > LONGEST:
            raise self._too_long()
        return self._text[self._at - 1]

    def _read_on(self) -> None:
        """As much again as there is, so that what is long is not looked at over and over."""
        kept = self._text[self._start :]
        if len(kept) > LONGEST:
            raise self._too_long()
        more = self._file.read(max(CHUNK, len(kept)))
        if not more:
            raise NotAnArray(f"it breaks off in element {self._number:,}")
        self._at -= self._start
        self._start = 0
        self._text = kept + more

    def _too_long(self) -> NotAnArray:
        return NotAnArray(f"element {self._number:,} is longer than {LONGEST:,} bytes")
