"""What a message may hold, and every limit there is.

Text comes back exactly as it was sent, NUL characters included. Refused are half of a surrogate pair, since
UTF-8 has no bytes for it, and a NUL in a name, since names are columns of the database, which hold none.
"""

from math import isfinite
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from domain.errors import (
    ContentEmpty,
    ContentNotText,
    ContentTooLong,
    MetadataTooDeep,
    MetadataTooLarge,
    NameHasNul,
    NameTooLong,
    NotJson,
    NotOneOf,
    NumberOutOfRange,
)
from domain.events import Link, MessageAdded, MessageRevised, Payload, Role, Status


class Limits(Struct, frozen=True):
    """Bytes are those of UTF-8; everything that does not say bytes is counted in characters or in pieces."""

    message_bytes: int = 1_000_000
    metadata_bytes: int = 16_384
    metadata_depth: int = 8
    payload_depth: int = 64
    user_id: int = 255
    message_id: int = 255
    kind: int = 64
    title: int = 255
    name: int = 255
    links: int = 32
    link_kind: int = 64
    link_target: int = 255
    rating: int = 32
    comment: int = 4_000
    reason: int = 1_000
    batch: int = 1_000


LIMITS: Final = Limits()
ROLES: Final = get_args(Role)
STATUSES: Final = get_args(Status)
SPEAKERS: Final = ("user", "assistant")
"""Whose words are plain messages: those that clients are shown and that a responder is told."""

# What every reader of JSON that we know takes as a whole number, and PostgreSQL as a bigint or a numeric.
SMALLEST: Final = -(2**63)
LARGEST: Final = 2**64 - 1
MOST_TOKENS: Final = 2**31 - 1


def check_message(message: MessageAdded, limits: Limits = LIMITS) -> None:
    check_name("message_id", message.message_id, limits.message_id)
    check_one_of("role", message.role, ROLES)
    if message.in_reply_to is not None:
        check_name("in_reply_to", message.in_reply_to, limits.message_id)
    if message.tokens is not None and not 0 <= message.tokens <= MOST_TOKENS:
        raise NumberOutOfRange(field="tokens", value=message.tokens, low=0, high=MOST_TOKENS)
    check_body(message, message.role, limits)


def check_body(message: MessageAdded | MessageRevised, role: str, limits: Limits) -> None:
    """What a message is made of, whether new or revised."""
    check_text("content", message.content, limits.message_bytes)
    check_name("kind", message.kind, limits.kind)
    if message.kind == "message":
        check_one_of("role", role, SPEAKERS)
    check_one_of("status", message.status, STATUSES)
    check_metadata(message.metadata, limits)
    if message.payload is not None:
        check_payload(message.payload, limits)
    elif not message.content and role == "user" and message.kind == "message":
        # A model may have nothing to say, a widget needs no words; a person who sends nothing has slipped.
        raise ContentEmpty(field="content")


def check_text(field: str, text: str, limit: int) -> None:
    """The limit is in bytes."""
    size = len(text) if text.isascii() else len(encoded(field, text))
    if size > limit:
        raise ContentTooLong(field=field, size=size, limit=limit)


def check_words(field: str, text: str, limit: int) -> None:
    """Something short that a person wrote: a comment, a reason. The limit is in characters."""
    if len(text) > limit:
        raise NameTooLong(field=field, size=len(text), limit=limit)
    if not text.isascii():
        encoded(field, text)


def check_name(field: str, name: str, limit: int) -> None:
    """What names or finds something: an id, a kind, a title, a rating."""
    if not name:
        raise ContentEmpty(field=field)
    check_words(field, name, limit)
    if "\0" in name:
        raise NameHasNul(field=field, at=name.index("\0"))


def check_one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise NotOneOf(field=field, value=value, allowed=", ".join(allowed))


def check_link(link: Link, limits: Limits = LIMITS) -> None:
    check_name("link.kind", link.kind, limits.link_kind)
    check_name("link.target", link.target, limits.link_target)


def check_metadata(metadata: dict[str, Any], limits: Limits = LIMITS) -> None:
    if metadata:
        check_json("metadata", metadata, limits.metadata_depth, limits.metadata_depth)
        size = len(msgspec.json.encode(metadata))
        if size > limits.metadata_bytes:
            raise MetadataTooLarge(field="metadata", size=size, limit=limits.metadata_bytes)


def check_payload(payload: Payload, limits: Limits = LIMITS) -> None:
    check_name("payload.schema", payload.schema, limits.kind)
    check_json("payload", payload.data, limits.payload_depth, limits.payload_depth)
    size = len(msgspec.json.encode(payload.data))
    if size > limits.message_bytes:
        raise ContentTooLong(field="payload", size=size, limit=limits.message_bytes)


def check_json(field: str, value: Any, levels: int, limit: int) -> None:
    """Lets through only what JSON gives back as it was: the encoder turns the rest into something else."""
    match value:
        case None | bool():
            pass
        case str():
            if not value.isascii():
                encoded(field, value)
        case int():
            if not SMALLEST <= value <= LARGEST:
                raise NumberOutOfRange(field=field, value=brief(value), low=SMALLEST, high=LARGEST)
        case float():
            if not isfinite(value):
                raise NotJson(field=field, what=str(value))
        case dict() | list() if not levels:
            raise MetadataTooDeep(field=field.partition(".")[0], limit=limit)
        case dict():
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise NotJson(field=field, what=f"a key of type {type(key).__name__}")
                if not key.isascii():
                    encoded(f"a key of {field}", key)
                check_json(f"{field}.{key}", inner, levels - 1, limit)
        case list():
            for inner in value:
                check_json(field, inner, levels - 1, limit)
        case _:
            raise NotJson(
                field=field, what=f"a value of type {type(value).__name__}"
            )  # bytes, dates, sets, …


def same_json(one: Any, other: Any) -> bool:
    """Python takes 1, 1.0 and True for equal; JSON does not. The order of keys says nothing in either."""
    return one == other and (
        not one or msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    )


def encoded(field: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as broken:
        # A name with half a pair in it could not be sent back to tell of itself.
        field = field.encode(errors="replace").decode()
        raise ContentNotText(field=field, at=broken.start) from None


def brief(number: int) -> str:
    """Python refuses to print a number of thousands of digits, and nobody wants to read it."""
    return f"a number of {number.bit_length()} bits"
