"""Rows as the data of a binary COPY, and what its failing says of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import psycopg
from psycopg import adapters, errors
from psycopg._copy_base import format_row_binary
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import Format
from psycopg.types.string import BytesBinaryDumper

from projections.rows.types import TYPES

BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
BLOCK: Final = 32 * 1024


class CopyRefused(psycopg.DataError):
    """A COPY failed, and nothing says of which row, nor why: a distributed PostgreSQL tells no more of any.
    Each row by a statement of its own is refused for what it is."""


def as_told(error: psycopg.Error) -> psycopg.Error:
    """Of a COPY that failed."""
    return CopyRefused(str(error)) if isinstance(error, errors.InternalError_) else error


class InTheDriversC:
    """For bytes the driver would call Python, which takes other things for bytes, too."""

    connection = None
    adapters = AdaptersMap(adapters)


InTheDriversC.adapters.register_dumper(bytes, BytesBinaryDumper)


def copied(kinds: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytearray]:
    """In blocks, packed by the driver's own C: it does a row in a quarter of the time that Python needs.

    In binary, JSON goes over the wire as the text that it is.
    """
    driver = Transformer(InTheDriversC())
    numbers = [TYPES["text" if kind == "json" else kind].number for kind in kinds]
    driver.set_dumper_types(numbers, Format.BINARY)
    block = bytearray(BEGIN)
    for row in rows:
        format_row_binary(row, driver, block)
        if len(block) >= BLOCK:
            yield block
            block = bytearray()
    block += END
    yield block
