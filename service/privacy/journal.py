"""What was erased, written down outside the database: a restored backup does not know of it any more.

One line of JSON a receipt, and in it only what the receipt holds in the end: who was erased can be tried from
it and not read.
"""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from domain.errors import Refusal
from service.privacy.receipts import Receipt

encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Receipt).decode


class JournalUnreadable(Refusal):
    """Line {line} of {path} is no receipt: {why}."""


async def write_down(path: Path | None, receipt: Receipt) -> None:
    """On the disk when this returns: a receipt is finished only after that. Written twice, it counts once."""
    if path is not None:
        await asyncio.to_thread(append_line, path, encode(receipt) + b"\n")


def append_line(path: Path, line: bytes) -> None:
    """By one write at the end, so that the lines of several processes do not run into each other. Where a
    line before it was cut off, by a full disk or a power failure, it does not become a part of that one."""
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(opened).st_size
        if size and os.pread(opened, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(opened, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(opened)
    finally:
        os.close(opened)


def read(path: Path) -> Iterator[Receipt]:
    """Each receipt once. A line that was cut off is refused, and may be taken out: a receipt is not finished
    before its line is whole, and is written again then."""
    seen = set()
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line:
            continue
        try:
            receipt = decode(line)
        except msgspec.DecodeError as broken:
            raise JournalUnreadable(line=number, path=path, why=broken) from None
        if receipt.id not in seen:
            seen.add(receipt.id)
            yield receipt
