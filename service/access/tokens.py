"""Users' tokens: JSON Web Tokens, each checked with the one algorithm that its key is for."""

import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.exceptions import InvalidSubjectError
from msgspec import Struct

from domain.content import LIMITS, check_name
from domain.errors import ContentRefused
from service.settings.settings import BadSetting, Settings

SHORTEST_SECRET: Final = 32
SMALLEST_RSA: Final = 2048
LEEWAY: Final = 5.0
"""Seconds by which the clocks of two machines may differ."""
MOST_TAKEN: Final = 10_000
SAID: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is from another issuer",
    InvalidSubjectError: "its sub is not text",
}


class BadToken(Exception):
    """A token that is not taken; the text says why."""


class Key(Struct, frozen=True):
    algorithm: str
    key: Any
    key_id: str | None = None

    def fits(self, header: dict[str, Any]) -> bool:
        named = header.get("kid")
        return header.get("alg") == self.algorithm and (
            self.key_id is None or named is None or named == self.key_id
        )


class Taken(Struct, frozen=True):
    """A token that was checked: nothing but its end can change what came of that."""

    user_id: str
    until: int


class Tokens:
    """Checks users' tokens, with the keys that the settings give."""

    def __init__(self, settings: Settings) -> None:
        self._keys = tuple(keys(settings))
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._taken: OrderedDict[bytes, Taken] = OrderedDict()
        self._jwt = jwt.PyJWT(
            {
                "require": ["sub", "exp"],
                "verify_iss": self._issuer is not None,
                "verify_aud": self._audience is not None,
                "enforce_minimum_key_length": True,
            }
        )

    def taken(self, token: str) -> Taken:
        """Whose token it is, and for how long. To check a signature takes long, and once is enough."""
        digest = sha256(token.encode(errors="replace")).digest()
        taken = self._taken.get(digest)
        if taken is None or has_ended(taken.until):
            taken = self._checked(token)
            self._taken[digest] = taken
            if len(self._taken) > MOST_TAKEN:
                self._taken.popitem(last=False)
        return taken

    def _checked(self, token: str) -> Taken:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise BadToken("it is neither a user's token nor a service key") from None
        why = "it is signed with no key that is known here"
        for key in self._keys:
            if key.fits(header):
                try:
                    claims = self._claims(token, key)
                    return Taken(user_in(claims), int(claims["exp"]))
                except jwt.InvalidSignatureError:
                    why = SAID[jwt.InvalidSignatureError]
        raise BadToken(why)

    def _claims(self, token: str, key: Key) -> dict[str, Any]:
        try:
            return self._jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
            )
        except jwt.InvalidSignatureError:
            raise
        except jwt.MissingRequiredClaimError as missing:
            raise BadToken(f"it has no {missing.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as wrong:
            raise BadToken(SAID.get(type(wrong), "its claims cannot be read")) from None


def has_ended(until: float) -> bool:
    return until <= time.time() - LEEWAY


def user_in(claims: dict[str, Any]) -> str:
    try:
        check_name("sub", claims["sub"], LIMITS.user_id)
    except ContentRefused as refused:
        raise BadToken(str(refused).rstrip(".")) from None
    return str(claims["sub"])


def sign(settings: Settings, user_id: str, minutes: int) -> str:
    """A token for trying out; applications sign their own."""
    check_name("--user", user_id, LIMITS.user_id)
    if settings.jwt_secret is None:
        raise BadSetting("HANSARD_JWT_SECRET is not set: a token is signed with it, and checked with it")
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": user_id, "iat": now, "exp": now + timedelta(minutes=minutes)}
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    return jwt.encode(claims, secret(settings.jwt_secret), algorithm="HS256")


def keys(settings: Settings) -> Iterator[Key]:
    if settings.jwt_secret is not None:
        yield Key("HS256", secret(settings.jwt_secret))
    if settings.jwt_public_key is not None:
        source = "HANSARD_JWT_PUBLIC_KEY"
        try:
            key = load_pem_public_key(content(settings.jwt_public_key, source))
        except ValueError:
            raise BadSetting(f"{source} is not a public key in PEM form") from None
        yield Key(algorithm_of(key, source), key)
    if settings.jwt_jwks is not None:
        yield from keys_in(content(settings.jwt_jwks, "HANSARD_JWT_JWKS"), "HANSARD_JWT_JWKS")


def keys_in(text: bytes, source: str) -> Iterator[Key]:
    """The keys of a JWKS that sign tokens; those for other uses and algorithms are left out."""
    try:
        listed = json.loads(text)["keys"]
        signing = [
            each for each in listed if each.get("use", "sig") == "sig" and each["kty"] in ("RSA", "EC")
        ]
        found = [jwt.PyJWK(each) for each in signing if each.get("alg", "RS256") in ("RS256", "ES256")]
    except (ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError):
        raise BadSetting(f"{source} is not a JWKS") from None
    if not found:
        raise BadSetting(f"{source} holds no key for RS256 or ES256")
    for each in found:
        yield Key(algorithm_of(each.key, source), each.key, each.key_id)


def algorithm_of(key: Any, source: str) -> str:
    if isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_RSA:
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    raise BadSetting(
        f"{source} holds a key that is neither a public RSA one of {SMALLEST_RSA} bits nor one on P-256"
    )


def secret(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < SHORTEST_SECRET:
        raise BadSetting(
            f"HANSARD_JWT_SECRET has {len(raw)} bytes, but it must have {SHORTEST_SECRET} or more: "
            "`openssl rand -hex 32` makes a good one"
        )
    return raw


def content(path: Path, source: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{source}: {path} cannot be read: {error.strerror}") from None
