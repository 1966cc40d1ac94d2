"""Which sites' pages may reach Hansard, and what its answers allow a browser to do."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from litestar.config.cors import CORSConfig

from service.api.answering.errors import NotFromHere
from service.settings.origins import allowed_origins
from service.settings.settings import Settings

Header = tuple[bytes, bytes]

HOST: Final = re.compile(
    r"(?:\[(?P<ip>[0-9a-f:.]+)\]|(?P<name>[\w.-]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
"""A host, and perhaps a port: what else an address may hold has no place in this header."""

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""On every answer that does not say otherwise itself."""
NAMES: Final = frozenset(name for name, _ in HEADERS)
SENT: Final = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Opportunity-Id",
    "X-Request-Id",
    "X-User-Id",
]
OF_OPENAI: Final = [
    "X-Stainless-Arch",
    "X-Stainless-Lang",
    "X-Stainless-OS",
    "X-Stainless-Package-Version",
    "X-Stainless-Retry-Count",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Timeout",
]
"""What OpenAI's own client says of itself, in a browser too; nobody here reads it."""
SHOWN: Final = ["ETag", "Retry-After", "X-Request-Id", "X-Should-Retry"]


def secured(headers: Iterable[Header]) -> list[Header]:
    """An answer's own headers, and all of these that it does not have itself."""
    said = list(headers)
    names = {name for name, _ in said}
    if names.isdisjoint(NAMES):
        said += HEADERS
    else:
        said += [header for header in HEADERS if header[0] not in names]
    return said


def check_from_here(given: Mapping[bytes, bytes], allowed: frozenset[str]) -> None:
    """Without authentication: another site's page must not get through, neither under a name of its own that
    it lets point to this machine, nor by asking from where it is."""
    host = given.get(b"host", b"").decode("latin-1")
    if not is_local(host):
        raise NotFromHere(header="Host", value=host)
    origin = told(given, b"origin")
    if origin is not None and origin not in allowed and not is_of(origin, host):
        raise NotFromHere(header="Origin", value=origin)
    asked_by = told(given, b"sec-fetch-site")
    follows_a_link = given.get(b"sec-fetch-mode") == b"navigate" and origin is None
    if asked_by in ("cross-site", "same-site") and not follows_a_link and origin not in allowed:
        raise NotFromHere(header="Sec-Fetch-Site", value=asked_by)


def told(given: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = given.get(name)
    return None if value is None else value.decode("latin-1")


@lru_cache(256)
def names_a_host(header: bytes) -> bool:
    return HOST.fullmatch(header.decode("latin-1")) is not None


@lru_cache(256)
def is_local(host: str) -> bool:
    given = HOST.fullmatch(host)
    if given is None:
        return False
    try:
        name = (given["ip"] or given["name"]).lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def is_of(origin: str, host: str) -> bool:
    return origin.partition("://")[2].lower() == host.lower()


def cors(settings: Settings) -> CORSConfig | None:
    allowed = sorted(allowed_origins(settings))
    if not allowed:
        return None
    return CORSConfig(allow_origins=allowed, allow_headers=[*SENT, *OF_OPENAI], expose_headers=SHOWN)
