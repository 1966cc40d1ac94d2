"""Which sites' pages may reach Hansard, and what its answers allow a browser to do."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from service.api.answering.errors import NotFromHere
from service.settings.origins import allowed_origins
from service.settings.settings import Settings

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
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer that does not say otherwise itself."""
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
SHOWN: Final = ["ETag", "Retry-After", "X-Request-Id"]


async def secured(message: Message, scope: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)


def check_from_here(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Without authentication: another site's page must not get through, neither under a name of its own that
    it lets point to this machine, nor by asking from where it is."""
    host = headers.get("host", "")
    if not is_local(host):
        raise NotFromHere(header="Host", value=host)
    origin = headers.get("origin")
    if origin is not None and origin not in allowed and not is_of(origin, host):
        raise NotFromHere(header="Origin", value=origin)
    asked_by = headers.get("sec-fetch-site", "none")
    follows_a_link = headers.get("sec-fetch-mode") == "navigate" and origin is None
    if asked_by in ("cross-site", "same-site") and not follows_a_link and origin not in allowed:
        raise NotFromHere(header="Sec-Fetch-Site", value=asked_by)


@lru_cache(256)
def is_local(host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def is_of(origin: str, host: str) -> bool:
    return origin.partition("://")[2].lower() == host.lower()


def cors(settings: Settings) -> CORSConfig | None:
    allowed = sorted(allowed_origins(settings))
    if not allowed:
        return None
    return CORSConfig(allow_origins=allowed, allow_headers=SENT, expose_headers=SHOWN)
