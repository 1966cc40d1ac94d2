"""Where the conversations are in a ChatGPT data export: a zip, a folder, or the JSON by itself.

Nothing is extracted: a member of a zip is read as a stream, and its name is looked at and never opened.
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from domain.errors import Refusal
from service.transfer.chatgpt.elements import NotAnArray, elements

CONVERSATIONS: Final = re.compile(r"conversations([-_]\d+)?\.json", re.IGNORECASE)
NOT_OURS: Final = "__MACOSX/"
MOST_PARTS: Final = 10_000
# Words shrink to a fifth, and the most monotonous JSON to a hundredth.
PACKED_AT_MOST: Final = 400
WORTH_A_LOOK: Final = 1 << 24


class NotFromChatGPT(Refusal):
    """{what}."""


class Part(Struct, frozen=True):
    """One JSON file of the export."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    def conversations(self) -> Iterator[bytes]:
        """Each as it stands."""
        try:
            with self.open() as file:
                yield from elements(file)
        except (NotAnArray, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as broken:
            raise NotFromChatGPT(
                what=f"{self.name} cannot be read: {str(broken) or 'it breaks off'}"
            ) from None


def parts_of(place: Path) -> list[Part]:
    """In the order of their names, which is that of their numbers."""
    if place.is_dir():
        parts = parts_of_folder(place)
    elif zipfile.is_zipfile(place):
        parts = parts_of_zip(place)
    else:
        return [Part(place.name, lambda: place.open("rb"))]
    if not parts:
        raise NotFromChatGPT(
            what=f"{place} holds no conversations.json (or conversations-000.json, …): give the zip that "
            "ChatGPT sent, the folder that it was unpacked to, or the JSON itself"
        )
    return parts


def parts_of_folder(folder: Path) -> list[Part]:
    found = sorted(path for path in folder.rglob("*.json") if is_part(path.as_posix()) and path.is_file())
    return [Part(str(path.relative_to(folder)), lambda path=path: path.open("rb")) for path in found]  # type: ignore[misc]


def parts_of_zip(place: Path) -> list[Part]:
    try:
        with zipfile.ZipFile(place) as archive:
            found = [each for each in archive.infolist() if is_part(each.filename)]
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError) as broken:
        raise NotFromChatGPT(what=f"{place} is no zip that can be read: {broken}") from None
    if len(found) > MOST_PARTS:
        raise NotFromChatGPT(
            what=f"{place} holds {len(found):,} files of conversations; at most {MOST_PARTS:,} are taken"
        )
    for member in found:
        check_member(place, member)
    return [Part(member.filename, zipped(place, member)) for member in sorted(found, key=name_of)]


def check_member(place: Path, member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 1:
        raise NotFromChatGPT(
            what=f"{member.filename} in {place} is encrypted; unpack it, and give the folder"
        )
    if member.file_size > max(WORTH_A_LOOK, PACKED_AT_MOST * member.compress_size):
        raise NotFromChatGPT(
            what=f"{member.filename} in {place} would unpack from {member.compress_size:,} bytes to "
            f"{member.file_size:,}, which no export does; if it is one all the same, give it unpacked"
        )


def is_part(name: str) -> bool:
    return not name.startswith(NOT_OURS) and CONVERSATIONS.fullmatch(name.rpartition("/")[2]) is not None


def name_of(member: zipfile.ZipInfo) -> str:
    return member.filename


def zipped(place: Path, member: zipfile.ZipInfo) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    return lambda: Member(place, member)


class Member:
    """A file in a zip, both open for as long as it is read."""

    def __init__(self, place: Path, member: zipfile.ZipInfo) -> None:
        self._archive = zipfile.ZipFile(place)
        self._member = member

    def __enter__(self) -> IO[bytes]:
        return self._archive.open(self._member)

    def __exit__(self, *error: object) -> None:
        self._archive.close()
