"""The conversations of an export in the order in which they were last active, in flat memory.

An export begins with the newest. In the log, what is later is more recent: conversations are listed that
way, and a responder is told them so. Therefore the export is read once to see how old each conversation is,
and then as often as needed to hold the oldest of those that are left, a fixed number of bytes at a time.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.transfer.chatgpt.archive import Part
from service.transfer.incoming import Skipped
from service.transfer.times import seconds_of

AT_ONCE: Final = 1 << 27

Place = tuple[int, int]
"""Which part, and which conversation in it."""


class Head(Struct, frozen=True):
    id: str | None = None
    conversation_id: str | None = None
    update_time: Any = None
    create_time: Any = None

    @property
    def name(self) -> str | None:
        return self.conversation_id or self.id


class FoundInExport(Struct, frozen=True):
    place: Place
    time: float
    size: int
    name: str | None


class LeftAside(Skipped, frozen=True):
    """What is not imported by design: it is told, and nothing is wrong."""


class RawConversation(Struct, frozen=True):
    """A conversation as it stands in the export."""

    where: str
    raw: bytes


def oldest_first(parts: Sequence[Part], at_once: int = AT_ONCE) -> Iterator[RawConversation | Skipped]:
    """All parts are read to their ends before the first is given. Of a conversation that is there several
    times, as where exports of several days lie together, the most recent is given."""
    # Of two that are equally old, the later in the export is the older.
    found = sorted(look(parts), key=lambda each: (each.time, [-number for number in each.place]))
    newest = {each.name: each.place for each in found if each.name is not None}
    kept = [each for each in found if each.name is None or newest[each.name] == each.place]
    for each in found:
        if each.name is not None and newest[each.name] != each.place:
            why = f"it is in {where(parts, newest[each.name])} too, and more recent there"
            yield LeftAside(where(parts, each.place), f"conversation {each.name}", why)
    for group in groups(kept, at_once):
        wanted = {each.place for each in group}
        held = {place: raw for place, raw in read(parts) if place in wanted}
        for each in group:
            yield RawConversation(where(parts, each.place), held.pop(each.place))


def where(parts: Sequence[Part], place: Place) -> str:
    part, number = place
    return f"{parts[part].name}: conversation {number + 1:,}"


def look(parts: Sequence[Part]) -> Iterator[FoundInExport]:
    for place, raw in read(parts):
        head = head_of(raw)
        time = seconds_of(head.update_time) or seconds_of(head.create_time) or 0.0
        yield FoundInExport(place, time, len(raw), head.name)


def read(parts: Sequence[Part]) -> Iterator[tuple[Place, bytes]]:
    for at, part in enumerate(parts):
        for number, raw in enumerate(part.conversations()):
            yield (at, number), raw


def head_of(raw: bytes) -> Head:
    try:
        return msgspec.json.decode(raw, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Head()  # whoever reads it whole will tell what is wrong with it


def groups(found: Sequence[FoundInExport], at_once: int) -> Iterator[list[FoundInExport]]:
    group: list[FoundInExport] = []
    size = 0
    for each in found:
        if group and size + each.size > at_once:
            yield group
            group, size = [], 0
        group.append(each)
        size += each.size
    if group:
        yield group
