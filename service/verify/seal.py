"""A seal: what the log was at one moment, signed with an Ed25519 key, to be kept where nobody who can change
the database can change it too.

It is a JSON file. Each shard's `digest` is the SHA-256 over the digests of its events, 32 bytes each, in the
order of their positions from 1 to `events`. What comes later changes none of them, and neither does erasing
or anonymising, which leave the digests of events as they are. For a verifier elsewhere:

    SELECT sha256(string_agg(digest, ''::bytea ORDER BY position)) FROM events
    WHERE shard = … AND position <= …

`marks` only help to find what differs: 16 hexadecimal digits each, the first 8 bytes of the SHA-256 over the
digests of `every` events in turn; the last may be of fewer.

`signature` is over the rest of the file as JSON without white space, each object's names in the order of the
alphabet (RFC 8785): in Python, `json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()`.
"""

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import Refusal
from service.verify.seal_files import read

MARK: Final = 8
"""Bytes of a mark: enough to find a place by, for the whole is proved by the digest."""
MOST_MARKS: Final = 65_536
"""Of all shards together, about: a seal is never larger than a megabyte or two."""
FEWEST_MARKS: Final = 64
"""Of a shard, however many there are."""

Format = Literal["hansard.seal.v1"]


class NotASeal(Refusal):
    """{file} is no seal that this version of Hansard can read: {why}."""


class SealWasEdited(Refusal):
    """{file} is not what was signed: it was changed after it was sealed, or the signature is a forgery."""


class SealedByAnother(Refusal):
    """{file} was sealed with the key {named}, and the public key that is to check it is {held}."""


class SealedShard(Struct, frozen=True, forbid_unknown_fields=True):
    shard: int
    events: int
    """Its last position, which is also how many there were."""
    digest: str
    every: int
    """So many events share a mark."""
    marks: str


class Seal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: Format = "hansard.seal.v1"
    sealed_at: datetime
    log_made_at: datetime
    """When the tables were made, by which a person can tell one log from another."""
    events: int
    shards: tuple[SealedShard, ...]
    public_key: str = ""
    signature: str = ""


def every_for(events: int, shards: int) -> int:
    """The least power of two by which the shard's marks are not too many."""
    most = max(FEWEST_MARKS, MOST_MARKS // max(1, shards))
    every = 1
    while events > every * most:
        every *= 2
    return every


def mark_of(digests: bytes) -> bytes:
    return sha256(digests).digest()[:MARK]


def signed(seal: Seal, key: Ed25519PrivateKey) -> Seal:
    named = replace(seal, public_key=name_of(key.public_key()))
    return replace(named, signature=key.sign(signed_bytes(named)).hex())


def signed_bytes(seal: Seal) -> bytes:
    rest = msgspec.to_builtins(seal)
    del rest["signature"]
    return msgspec.json.encode(rest, order="sorted")


def name_of(key: Ed25519PublicKey) -> str:
    """The key itself, which is short enough to be read out."""
    return key.public_bytes_raw().hex()


def written(seal: Seal) -> str:
    return msgspec.json.format(msgspec.json.encode(seal), indent=2).decode()


def read_seal(file: Path, public_key: Ed25519PublicKey) -> Seal:
    """The seal in the file, if this key has signed it as it is."""
    try:
        seal = msgspec.json.decode(read(file), type=Seal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotASeal(file=file, why=error) from None
    if signed_by(public_key, seal):
        return seal
    held = name_of(public_key)
    if seal.public_key != held and signed_by(key_named(seal.public_key), seal):
        raise SealedByAnother(file=file, named=seal.public_key, held=held)
    raise SealWasEdited(file=file)


def signed_by(key: Ed25519PublicKey | None, seal: Seal) -> bool:
    try:
        if key is not None:
            key.verify(bytes.fromhex(seal.signature), signed_bytes(seal))
    except (InvalidSignature, ValueError):
        return False
    return key is not None


def key_named(name: str) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(name))
    except ValueError:
        return None
