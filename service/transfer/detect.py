"""What a file is that somebody wants imported, by what it begins with."""

import zipfile
from pathlib import Path
from typing import Final, Literal

from domain.errors import Refusal
from service.transfer.file.lines import FORMAT

Format = Literal["hansard", "chatgpt"]

A_LOOK: Final = 1 << 16
"""Bytes: more than any conversation needs to name its fields."""


class UnknownFormat(Refusal):
    """{path} is nothing that can be imported: {what}. What can be is an export of Hansard (JSONL), a data
    export of ChatGPT (its zip, its folder or its conversations.json), and tables, by --from-dsn."""


def format_of(path: Path) -> Format:
    if path.is_dir():
        return "chatgpt"
    try:
        with path.open("rb") as file:
            head = file.read(A_LOOK)
    except OSError as error:
        raise UnknownFormat(path=path, what=f"it cannot be read ({error.strerror})") from None
    if zipfile.is_zipfile(path):
        return "chatgpt"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if FORMAT.encode() in text.partition(b"\n")[0]:
        return "hansard"
    if text.startswith(b"[") or (text.startswith(b"{") and b'"mapping"' in text):
        return "chatgpt"
    raise UnknownFormat(path=path, what=f"it begins with {text[:20]!r}" if text else "it is empty")
