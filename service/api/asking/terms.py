"""What every write takes and gives: its key, the version it expects, and where the conversation is then."""

import re
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request
from litestar.exceptions import SerializationException
from msgspec import Struct

from service.api.answering.cursors import encode
from service.api.answering.documented import LONGEST_KEY
from service.api.answering.errors import BadIdempotencyKey, BadVersion, RecordRestored, VersionsDiffer
from service.store.append import CommandKey
from service.store.incarnation import INCARNATION
from service.store.repository import Caller, Changed

VISIBLE: Final = re.compile(r"[!-~]+")
TAG: Final = re.compile(r'(?:W/)?"?([0-9]{1,18})(?:-([0-9a-f]{8}))?"?')


class WriteHeaders(Struct, frozen=True):
    """What the headers of a write say; with its body, they are its terms."""

    key: str | None
    digest: bytes
    """Of what is asked: another request under the same key is told from the same one by it."""
    if_match: int | None


NO_HEADERS: Final = WriteHeaders(None, b"", None)


async def headers_of(
    request: Request[Any, Any, Any], idempotency_key: str | None, if_match: str | None
) -> WriteHeaders:
    if idempotency_key is not None:
        if len(idempotency_key) > LONGEST_KEY or not VISIBLE.fullmatch(idempotency_key):
            raise BadIdempotencyKey(limit=LONGEST_KEY)
        return WriteHeaders(idempotency_key, await digest_of(request, idempotency_key), version_in(if_match))
    return WriteHeaders(None, b"", version_in(if_match))


def command_from(headers: WriteHeaders, caller: Caller) -> CommandKey | None:
    """A key is its user's: two users who choose the same do not meet."""
    if headers.key is None:
        return None
    named = f"{len(caller.user_id)} {caller.user_id} {headers.key}".encode()
    return CommandKey(UUID(bytes=sha256(named).digest()[:16], version=5), headers.digest)


def expected_from(headers: WriteHeaders, expected_version: int | None = None) -> int | None:
    """The version that the caller decided on, from its header or its body."""
    if headers.if_match is None or expected_version is None:
        return expected_version if headers.if_match is None else headers.if_match
    if headers.if_match != expected_version:
        raise VersionsDiffer
    return expected_version


def version_in(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = TAG.fullmatch(if_match.strip())
    if found is None:
        raise BadVersion
    if (found[2] or "") != INCARNATION.get():
        raise RecordRestored(what="This ETag")
    return int(found[1])


def is_known(if_none_match: str | None, version: int) -> bool:
    """Whether the caller names this version as one that she has; what is no ETag names none."""
    named = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return not named.isdisjoint({"*", tag_of(version)})


async def digest_of(request: Request[Any, Any, Any], key: str) -> bytes:
    """The same for the same wish, however its JSON is laid out; whoever does not know the key cannot guess
    from it what was said."""
    body = await request.body()
    if body:
        with suppress(SerializationException):  # what is not JSON is laid out in one way
            body = msgspec.json.encode(await request.json(), order="sorted")
    path = request.scope["path"].rstrip("/")
    return sha256(f"{key} {request.method} {path}\n".encode() + body).digest()


def etag(version: int) -> dict[str, str]:
    """The header that says which version an answer shows or has made."""
    return {"ETag": tag_of(version)}


def tag_of(version: int) -> str:
    """After a restore, a version is another one than the one of the same number before."""
    incarnation = INCARNATION.get()
    return f'"{version}-{incarnation}"' if incarnation else f'"{version}"'


def position_of(caller: Caller, changed: Changed) -> str | None:
    """Where in the log a write went, for who wants to name it; None if it changed nothing."""
    if changed.appended is None:
        return None
    return encode("position", caller.user_id, (changed.appended.position,))
