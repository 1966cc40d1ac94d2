"""Reads an export, twice: once to check all of it, once to import what holds.

So nothing of a file that was cut off or edited is stored before that is known, and nothing of a conversation
in which one line is wrong.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.content import LIMITS, Limits, check_name
from domain.errors import Refusal
from domain.events import ConversationAnonymised
from service.store.append import CommandKey, stored_event
from service.transfer.file.lines import (
    FORMAT,
    VERSION,
    Carried,
    FileTally,
    Line,
    decode_header,
    decode_line,
    decode_trailer,
)
from service.transfer.fitting import DoesNotFit, Fitting
from service.transfer.incoming import Skipped
from service.transfer.piece import Named, Piece
from service.transfer.report import TransferReport

LONGEST_NAME: Final = 512
MOST_OF_A_COMMAND: Final = 10_000
LONGEST_DIGEST: Final = 64
TRAILER: Final = b'{"end":'
BAD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Key = tuple[str | UUID, UUID]


class NotAnExport(Refusal):
    """The file is no export of Hansard: {why}."""


class CutOff(Refusal):
    """The file is cut off: after line {lines} the last line is missing, which says how much there was.
    Export it again, or with --resume; --unchecked imports what is there."""


class Edited(Refusal):
    """The file is not what was exported: {why}. --unchecked imports it as it is."""


class LineOwner(Struct, frozen=True):
    """What of a line says whose it is; also where the rest of the line is no good."""

    conversation_id: UUID
    user_id: str | None = None


decode_whose: Final = msgspec.json.Decoder(LineOwner).decode


class Checked(Struct):
    """What the first reading has found."""

    events: int
    left_out: set[Key]


class Reader:
    """Of one file, for one destination."""

    def __init__(self, file: BinaryIO, limits: Limits = LIMITS, user_id: str | None = None) -> None:
        """All of it becomes this user's, where one is given; then the file is not believed who acted."""
        if user_id is not None:
            check_name("user_id", user_id, limits.user_id)
        self._file = file
        self._limits = limits
        self._user_id = user_id
        # Each byte of a text can take six in JSON; a message has a text and a payload, and some more.
        self._longest = 16 * limits.message_bytes + 16 * limits.metadata_bytes

    def check(self, report: TransferReport, unchecked: bool = False) -> Checked:
        """Reports every conversation that cannot be imported. Unchecked, the file need not be whole."""
        checking = Checking(self._limits, self._user_id, report)
        tally, end = FileTally(), None
        numbered = self._lines()
        tally.header(self._header(numbered))
        for number, raw in numbered:
            if end is not None:
                refuse(Edited(why=f"line {number} comes after the last one"), unchecked)
            if raw.startswith(TRAILER):
                end = self._end(raw, tally, unchecked)
                continue
            line = checking.take(number, raw)
            tally.line(raw, line.version if line else 0, line.event if line else None)
        if end is None:
            refuse(CutOff(lines=tally.events + 1), unchecked)
        checking.end_group()
        return Checked(tally.events, set(checking.left_out))

    def pieces(self, checked: Checked) -> Iterator[Piece]:
        """Of all that holds."""
        numbered = self._lines()
        self._header(numbered)
        for _, raw in numbered:
            if raw.startswith(TRAILER):
                continue
            try:
                line = decode_line(raw)
            except BAD:
                continue
            fact = line.fact
            if fact is None or key_of(line) in checked.left_out:
                continue
            named = line.command
            mine = self._user_id is not None
            yield Piece(
                line.conversation_id,
                line.version,
                stored_event(fact, line.recorded_at),
                self._user_id if mine else line.user_id,
                None if mine else line.actor,
                None if mine else line.request_id,
                Named(CommandKey(named.id, named.digest), named.size) if named and not mine else None,
                key_of(line)[0],
            )

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        self._file.seek(0)
        number = 0
        while raw := self._file.readline(self._longest):
            number += 1
            if len(raw) == self._longest and not raw.endswith(b"\n"):
                raise NotAnExport(why=f"line {number} is longer than {self._longest} bytes")
            yield number, raw

    def _header(self, numbered: Iterator[tuple[int, bytes]]) -> bytes:
        _, raw = next(numbered, (0, b""))
        try:
            header = decode_header(raw)
        except BAD:
            raise NotAnExport(why="its first line does not say so") from None
        if header.format != FORMAT:
            raise NotAnExport(why=f"its first line says that it is {header.format!r}")
        if header.version != VERSION:
            raise NotAnExport(why=f"it is of version {header.version}, and this Hansard reads {VERSION}")
        return raw

    def _end(self, raw: bytes, tally: FileTally, unchecked: bool) -> object:
        try:
            end = decode_trailer(raw).end
        except BAD:
            refuse(Edited(why="its last line cannot be read"), unchecked)
            return tally.counts
        if end.events != tally.events:
            refuse(Edited(why=f"it has {tally.events} events, and had {end.events}"), unchecked)
        elif end.sha256 != tally.counts.sha256:
            refuse(Edited(why="its SHA-256 differs from the one in its last line"), unchecked)
        return end


class Checking:
    """Line by line against the domain's rules; remembers the conversations of one user at a time."""

    def __init__(self, limits: Limits, user_id: str | None, report: TransferReport) -> None:
        self.left_out: dict[Key, int] = {}
        self._limits = limits
        self._user_id = user_id
        self._report = report
        self._group: str | UUID | None = None
        self._fitting: dict[UUID, Fitting] = {}
        self._of_command: tuple[UUID, int] | None = None
        """The conversation whose command is not complete yet, and how many of its events are to come."""

    def take(self, number: int, raw: bytes) -> Line | None:
        """The line, if it can be read, whether or not it can be imported."""
        try:
            line = decode_line(raw)
        except BAD as bad:
            self._unreadable(number, raw, str(bad))
            return None
        key = key_of(line)
        if key[0] != self._group:
            self.end_group()
            self._group = key[0]
        if key not in self.left_out:
            try:
                self._check(line)
            except Refusal as refusal:
                self._leave_out(key, number, str(refusal))
        return line

    def end_group(self) -> None:
        for id, fitting in self._fitting.items():
            try:
                if self._of_command is not None and self._of_command[0] == id:
                    raise DoesNotFit(what="events of its last command are missing")
                fitting.end()
            except Refusal as refusal:
                self._leave_out((self._group or id, id), None, str(refusal))
        self._fitting.clear()
        self._of_command = None

    def _check(self, line: Line) -> None:
        if line.conversation_id not in self._fitting:
            self._begin(line)
        fact = line.fact
        if fact is None:
            raise DoesNotFit(what="it holds no event, or several")
        for field, value in (("actor", line.actor), ("request_id", line.request_id)):
            if value is not None:
                check_name(field, value, LONGEST_NAME)
        self._check_command(line)
        if self._user_id is not None and isinstance(fact, ConversationAnonymised):
            raise DoesNotFit(what="it was anonymised: it is nobody's any more")
        self._fitting[line.conversation_id].take(line.version, fact, line.recorded_at, line.user_id)

    def _begin(self, line: Line) -> None:
        self._fitting[line.conversation_id] = Fitting(line.conversation_id, line.user_id, self._limits)
        if line.user_id is not None:
            check_name("user_id", line.user_id, self._limits.user_id)
        elif self._user_id is not None:
            raise DoesNotFit(what="it was erased: it is nobody's any more")

    def _check_command(self, line: Line) -> None:
        command, before = line.command, self._of_command
        if before is not None:
            left = before[1] - 1
            self._of_command = (before[0], left) if left else None
            if before[0] != line.conversation_id or command is not None:
                self._of_command = None
                self._leave_out(
                    (self._group or before[0], before[0]), None, "events of its command are missing"
                )
        if command is not None:
            check_command(command)
            if command.size > 1:
                self._of_command = (line.conversation_id, command.size - 1)

    def _unreadable(self, number: int, raw: bytes, why: str) -> None:
        try:
            whose = decode_whose(raw)
        except BAD:
            self._report.skip(Skipped(f"line {number}", "a line", why))
            return
        key = (whose.user_id or whose.conversation_id, whose.conversation_id)
        if key not in self.left_out:
            self._leave_out(key, number, why)

    def _leave_out(self, key: Key, number: int | None, why: str) -> None:
        if key not in self.left_out:
            self.left_out[key] = number or 0
            where = f"line {number}" if number is not None else ""
            self._report.skip(Skipped(where, f"conversation {key[1]}", why))


def check_command(command: Carried) -> None:
    if not 0 < command.size <= MOST_OF_A_COMMAND or not 0 < len(command.digest) <= LONGEST_DIGEST:
        raise DoesNotFit(what="its command is none")


def key_of(line: Line) -> Key:
    return line.user_id or line.conversation_id, line.conversation_id


def refuse(refusal: Refusal, unchecked: bool) -> None:
    if not unchecked:
        raise refusal
