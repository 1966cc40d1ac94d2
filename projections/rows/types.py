"""PostgreSQL's types: the number that each has there, and how its values are packed in its binary format."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from struct import Struct as Packing
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
FIRST_DAY: Final = EPOCH.toordinal()
INT4: Final = Packing("!i").pack
INT8: Final = Packing("!q").pack
NULL: Final = INT4(-1)
HEAD: Final = Packing(
    "!iiIii"
).pack  # dimensions, whether there are NULLs, the type, how many, from which index on


class PostgresType(Struct, frozen=True, dict=True):
    number: int
    pack: Callable[[Any], bytes]
    size: int | None = None
    """Of every value in bytes, for the types whose values are all equally long."""

    @cached_property
    def head_of_one(self) -> bytes:
        """Of an array with one value."""
        return HEAD(1, 1, self.number, 1, 1)

    def field(self, value: Any) -> bytes:
        """One of a column."""
        if value is None:
            return NULL
        data = self.pack(value)
        return INT4(len(data)) + data

    def fields(self, values: Sequence[Any]) -> list[bytes]:
        """A column of values, or NULLs, each after its length."""
        pack = self.pack
        if self.size is not None:
            length = INT4(self.size)
            return [NULL if value is None else length + pack(value) for value in values]
        packed = [None if value is None else pack(value) for value in values]
        return [NULL if data is None else INT4(len(data)) + data for data in packed]


def packed(kind: str, value: Any) -> bytes:
    """One value, as a parameter."""
    return TYPES[kind].pack(value)


def array(kind: str, values: Sequence[Any]) -> bytes:
    """An array of this type, with one dimension."""
    of = TYPES[kind]
    size = len(values)
    if size == 1:  # as most are where one append is stored
        return of.head_of_one + of.field(values[0])
    return HEAD(1, 1, of.number, size, 1) + b"".join(of.fields(values))


def day(value: date) -> bytes:
    return INT4(value.toordinal() - FIRST_DAY)


def time(value: datetime) -> bytes:
    since = value - EPOCH
    return INT8((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def uuid(value: UUID) -> bytes:
    return value.int.to_bytes(16)


TYPES: Final = {
    "boolean": PostgresType(16, Packing("!?").pack, 1),
    "bytea": PostgresType(17, bytes),
    "bigint": PostgresType(20, INT8, 8),
    "smallint": PostgresType(21, Packing("!h").pack, 2),
    "integer": PostgresType(23, INT4, 4),
    "text": PostgresType(25, str.encode),
    "json": PostgresType(114, str.encode),
    "real": PostgresType(700, Packing("!f").pack, 4),
    "date": PostgresType(1082, day, 4),
    "timestamptz": PostgresType(1184, time, 8),
    "uuid": PostgresType(2950, uuid, 16),
    "uuid[]": PostgresType(2951, lambda values: array("uuid", values)),
}
