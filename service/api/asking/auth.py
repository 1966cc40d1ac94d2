"""The guard of every operation: who asks, and whether she may; before anything of the body is read."""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme
from msgspec import Struct

from service.access.keys import PREFIX, digest_of, valid_key
from service.access.scopes import GRANTED, Scope
from service.access.tokens import BadToken, Tokens
from service.api.answering.errors import BodyNotJson, BodyTooLong, NotAuthenticated, ScopeMissing
from service.api.asking.address import check_address, check_names_one_user, named_in
from service.api.asking.origins import check_from_here
from service.api.asking.principal import Principal
from service.api.asking.rate_limit import Buckets
from service.api.asking.requests import headers_of
from service.api.asking.room import ALWAYS, STREAMED, Room
from service.attachment import Attachment
from service.settings.origins import allowed_origins
from service.settings.settings import Settings

NEEDS: Final = "needs"
OPEN: Final[dict[str, Any]] = {NEEDS: None}
"""For the `opt` of a handler that everybody may call: nobody is asked who he is."""
NOBODY_IS_ASKED: Final[list[SecurityRequirement]] = [{}]
"""The same for the API document."""
OF_A_BROWSER: Final = tuple(
    (name.encode(), name) for name in ("host", "origin", "sec-fetch-site", "sec-fetch-mode")
)
READING: Final = frozenset({"GET", "HEAD"})

SECURITY: Final = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            description="A user's token (a JSON Web Token) or a service key; nothing in dev mode.",
        )
    }
)
DEV: Final = Principal("dev", None, "dev", GRANTED["admin"])
JSON: Final = re.compile(r"application/(?:[\w.-]+\+)?json")
A_USER: Final = GRANTED["write"]
BELIEVED_FOR: Final = 1.0
"""Seconds after which a key is looked up again: a revoked one is dead in all processes by then."""
MOST_KEYS: Final = 1_000


def check_body(given: Mapping[bytes, bytes], handler: BaseRouteHandler, limit: int) -> None:
    """By what the headers say of it; a body that says nothing is measured when it is read."""
    size = given.get(b"content-length", b"")
    if size.isdigit() and int(size) > limit:
        raise BodyTooLong(limit=limit)
    if handler.parsed_data_field is None:
        return
    content_type = given.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if content_type and not JSON.fullmatch(content_type):
        raise BodyNotJson(content_type=content_type)


class KnownBearer(Struct, frozen=True):
    principal: Principal
    at: float


def needing(scope: Scope) -> dict[str, Any]:
    """For the `opt` of a handler that takes more than its method tells: reading reads, all else writes."""
    return {NEEDS: scope}


class Authentication:
    """Knows who asks, as the settings say."""

    def __init__(self, settings: Settings, attachment: Attachment, room: Room) -> None:
        self._dev = settings.auth == "dev"
        self._origins = allowed_origins(settings)
        self._tokens = Tokens(settings)
        self._attachment = attachment
        self._room = room
        self._keys: OrderedDict[bytes, KnownBearer] = OrderedDict()
        self._buckets = Buckets(settings.rate_limit)
        self._body_limit = settings.body_limit

    async def admit(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """A guard. What it finds is the request's `user`."""
        given = headers_of(connection.scope)
        if self._dev:
            check_from_here(
                {name: given[raw].decode("latin-1") for raw, name in OF_A_BROWSER if raw in given},
                self._origins,
            )
        check_address(connection)
        check_body(given, handler, self._body_limit)
        method = str(connection.scope.get("method"))
        needed = handler.opt.get(NEEDS, "read" if method in READING else "write")
        if needed is None or method == "OPTIONS":
            return
        if not handler.opt.get(ALWAYS):
            self._room.check()
        principal = DEV if self._dev else await self._principal(given.get(b"authorization"))
        self._buckets.take((principal.mode, principal.name))
        if needed not in principal.scopes:
            raise ScopeMissing(scope=needed)
        check_names_one_user(connection)
        if handler.opt.get(STREAMED):
            self._room.take_stream(connection.scope, principal.user_id or named_in(connection))
        connection.scope["user"] = principal

    async def _principal(self, authorization: bytes | None) -> Principal:
        if not authorization:
            raise NotAuthenticated(
                why="Nobody is named: send Authorization: Bearer and a user's token or a service key"
            )
        scheme, _, shown = authorization.decode("latin-1").partition(" ")
        shown = shown.strip()
        if scheme.lower() != "bearer" or not shown:
            raise NotAuthenticated(why="Authorization must be Bearer and a user's token or a service key")
        if shown.startswith(PREFIX):
            return await self._backend(digest_of(shown))
        try:
            user_id = self._tokens.user_of(shown)
        except BadToken as bad:
            raise NotAuthenticated(why=f"The token is not taken: {bad}") from None
        return Principal("user", user_id, user_id, A_USER)

    async def _backend(self, digest: bytes) -> Principal:
        now = time.monotonic()
        found = self._keys.get(digest)
        if found is None or now - found.at > BELIEVED_FOR:
            found = KnownBearer(await self._look_up(digest), now)
            self._keys[digest] = found
            self._keys.move_to_end(digest)
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        return found.principal

    async def _look_up(self, digest: bytes) -> Principal:
        async with self._attachment.hansard.pool.connection() as connection:
            key = await valid_key(connection, digest)
        if key is None:
            self._keys.pop(digest, None)
            raise NotAuthenticated(why="There is no such service key, or it was revoked")
        return Principal("service", None, f"key:{key.name}", GRANTED[key.scope])
