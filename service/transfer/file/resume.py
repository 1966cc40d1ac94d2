"""How far an export that was cut off had come: to the last user of whom all is there."""

from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from domain.errors import Refusal
from service.transfer.file.lines import (
    FORMAT,
    VERSION,
    FileTally,
    Selection,
    decode_header,
    decode_line,
    header_of,
)
from service.transfer.file.read import BAD, TRAILER

NOBODY: Final = ""
"""Before every user: what was erased is there, and nobody's yet."""


class CannotResume(Refusal):
    """{what}: export it anew."""


class NoExportBegun(Refusal):
    """The file is not one that an export has begun, and was left as it is: name another one."""


class KeptPart(Struct, frozen=True):
    """What can stay of a file."""

    size: int
    """In bytes; 0: nothing can."""
    selection: Selection
    tally: FileTally | None
    complete: bool = False


def kept_of(file: BinaryIO, selection: Selection) -> KeptPart:
    """A user of whom there may be more is exported again: all of hers is of one moment."""
    first = file.readline()
    if not first.endswith(b"\n") and header_of(selection).startswith(first):
        return KeptPart(0, selection, None)
    try:
        header = decode_header(first)
    except BAD:
        raise NoExportBegun from None
    if (header.format, header.version) != (FORMAT, VERSION):
        raise NoExportBegun
    if header.selection != selection:
        raise CannotResume(what="The file was begun with another selection")
    tally, at = FileTally(), len(first)
    tally.header(first)
    user: str | None = None
    kept = KeptPart(0, selection, None)
    for raw in file:
        if not raw.endswith(b"\n"):
            break
        if raw.startswith(TRAILER):
            return KeptPart(at, selection, tally, complete=True)
        try:
            line = decode_line(raw)
        except BAD:
            raise CannotResume(what=f"Line {tally.events + 2} of the file cannot be read") from None
        if line.user_id != user:
            after = NOBODY if user is None else user
            kept = KeptPart(at, msgspec.structs.replace(selection, after=after), tally.copy())
            user = line.user_id
        tally.line(raw, line.version, line.event)
        at += len(raw)
    return kept
