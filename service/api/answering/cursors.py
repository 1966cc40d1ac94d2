"""Cursors: a place in a list, as text that is to be sent back as it was given. It is no secret."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, Final

import msgspec

from service.api.answering.errors import BadCursor, RecordRestored
from service.store.incarnation import INCARNATION

SEAL_BYTES: Final = 8
LONGEST: Final = 60_000
"""A place in the audit feed is one in each of 4,096 shards at most."""
LARGEST: Final = 2**63 - 1


def encode(kind: str, owner: str, place: tuple[Any, ...]) -> str:
    """The place may hold whatever JSON does, and times. It is one in this incarnation of the log."""
    packed, tag = msgspec.msgpack.encode(place), INCARNATION.get()
    text = urlsafe_b64encode(seal(kind, owner, packed, tag) + packed).rstrip(b"=").decode()
    return f"{text}.{tag}" if tag else text


def decode(kind: str, owner: str, text: str, shape: Any = tuple) -> tuple[Any, ...]:
    """Give the place's shape, such as `tuple[int, str]`, where something depends on it."""
    try:
        if len(text) > LONGEST:
            raise BadCursor
        text, _, tag = text.partition(".")
        raw = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        packed = raw[SEAL_BYTES:]
        if raw[:SEAL_BYTES] != seal(kind, owner, packed, tag):
            raise BadCursor
        if tag != INCARNATION.get():
            raise RecordRestored(what="This cursor")
        place: tuple[Any, ...] = msgspec.msgpack.decode(packed, type=shape)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise BadCursor from None
    if any(isinstance(each, int) and not -LARGEST <= each <= LARGEST for each in place):
        raise BadCursor
    return place


def seal(kind: str, owner: str, packed: bytes, tag: str) -> bytes:
    """Tells a cursor of another list or of another user. It needs no secret: whatever a cursor says, a page
    holds the caller's own."""
    lengths = f"{len(kind)} {len(owner)} ".encode()
    sealed = lengths + kind.encode() + owner.encode() + packed + tag.encode()
    return blake2b(sealed, digest_size=SEAL_BYTES).digest()
