"""Service keys: what trusted backends show. Only a key's digest is kept, so it is shown once, when it is
made."""

import re
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, get_args

from msgspec import Struct
from psycopg import AsyncConnection, Connection, errors
from psycopg.rows import class_row

from domain.errors import Refusal
from service.access.scopes import Scope

PREFIX: Final = "hsk_"
RANDOM_BYTES: Final = 32
SCOPES: Final = get_args(Scope)
DECENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

MAKE: Final = """
INSERT INTO service_keys (name, digest, scope, made_at) VALUES (%(name)s, %(digest)s, %(scope)s, %(now)s)"""
REVOKE: Final = """
UPDATE service_keys SET revoked_at = COALESCE(revoked_at, %(now)s) WHERE name = %(name)s"""
LIST: Final = "SELECT name, scope, made_at, revoked_at FROM service_keys ORDER BY made_at, name"
VALID: Final = """
SELECT name, scope, made_at, revoked_at FROM service_keys WHERE digest = %(digest)s AND revoked_at IS NULL"""


class KeyExists(Refusal):
    """There is a key named {name} already, or there was: choose another name."""


class NoSuchKey(Refusal):
    """There is no key named {name}; `hansard keys list` shows which there are."""


class BadKeyName(Refusal):
    """{name!r} is no name for a key; use up to 64 letters, digits, dots, dashes and underscores."""


class ServiceKey(Struct, frozen=True):
    name: str
    scope: Scope
    made_at: datetime
    revoked_at: datetime | None


def digest_of(key: str) -> bytes:
    """The key is random, so that nothing slower is needed to keep it from being guessed."""
    return sha256(key.encode(errors="replace")).digest()


async def valid_key(connection: AsyncConnection[Any], digest: bytes) -> ServiceKey | None:
    cursor = connection.cursor(row_factory=class_row(ServiceKey))
    await cursor.execute(VALID, {"digest": digest})
    return await cursor.fetchone()


def create(connection: Connection[Any], name: str, scope: Scope) -> str:
    """The new key, which is nowhere else from now on."""
    if not DECENT_NAME.fullmatch(name):
        raise BadKeyName(name=name)
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    given = {"name": name, "digest": digest_of(key), "scope": scope, "now": datetime.now(UTC)}
    try:
        connection.execute(MAKE, given)
    except errors.UniqueViolation:
        raise KeyExists(name=name) from None
    return key


def revoke(connection: Connection[Any], name: str) -> None:
    if not connection.execute(REVOKE, {"name": name, "now": datetime.now(UTC)}).rowcount:
        raise NoSuchKey(name=name)


def listed(connection: Connection[Any]) -> list[ServiceKey]:
    with connection.cursor(row_factory=class_row(ServiceKey)) as cursor:
        return cursor.execute(LIST).fetchall()
