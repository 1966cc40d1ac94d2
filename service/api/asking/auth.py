"""The guard of every operation: who asks, and whether she may; before anything of the body is read."""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme
from litestar.types import Scope as RequestScope
from msgspec import Struct

from service.access.actors import A_KEY, user_acting
from service.access.actors import DEV as DEV_ACTOR
from service.access.keys import PREFIX, digest_of, valid_key
from service.access.scopes import GRANTED, Scope
from service.access.tokens import BadToken, Tokens, has_ended
from service.api.answering.errors import (
    BodyNotJson,
    BodyNotTaken,
    BodyTooLong,
    NotAuthenticated,
    ScopeMissing,
)
from service.api.asking.address import check_address, check_names_one_user, named_in
from service.api.asking.lasting import SHOWN, Bearer
from service.api.asking.origins import check_from_here
from service.api.asking.principal import Principal
from service.api.asking.rate_limit import Buckets
from service.api.asking.requests import has_body, headers_of
from service.api.asking.room import ALWAYS, STREAMED, Room
from service.attachment import Attachment
from service.settings.origins import allowed_origins
from service.settings.settings import Settings

NEEDS: Final = "needs"
OPEN: Final[dict[str, Any]] = {NEEDS: None}
"""For the `opt` of a handler that everybody may call: nobody is asked who he is."""
NOBODY_IS_ASKED: Final[list[SecurityRequirement]] = [{}]
"""The same for the API document."""
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
DEV: Final = Principal("dev", None, DEV_ACTOR, GRANTED["admin"])
LET_IN: Final = "hansard_let_in"
NOBODY: Final = (DEV, None)
"""Shows anything."""
JSON: Final = re.compile(r"application/(?:[\w.-]+\+)?json")
A_USER: Final = GRANTED["write"]
BELIEVED_FOR: Final = 1.0
"""Seconds after which a key is looked up again: a revoked one is dead in all processes by then."""
MOST_KEYS: Final = 1_000


def check_body(given: Mapping[bytes, bytes], handler: BaseRouteHandler, method: str, limit: int) -> None:
    """By what the headers say of it; a body that says nothing is measured when it is read. A write is refused
    one that it would ignore: whoever sent it may have meant less, or somebody else."""
    size = given.get(b"content-length", b"")
    if size.isdigit() and int(size) > limit:
        raise BodyTooLong(limit=limit)
    if handler.parsed_data_field is None:
        if method not in READING and has_body(given):
            raise BodyNotTaken
        return
    content_type = given.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if content_type and not JSON.fullmatch(content_type):
        raise BodyNotJson(content_type=content_type)


class KnownKey(Struct, frozen=True):
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
        self._keys: OrderedDict[bytes, KnownKey] = OrderedDict()
        self._buckets = Buckets(settings.rate_limit)
        self._body_limit = settings.body_limit

    async def admit(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """A guard."""
        if not connection.scope["state"].get(LET_IN):
            await self.let_in(connection.scope, handler)

    async def let_in(self, scope: RequestScope, handler: BaseRouteHandler) -> None:
        """Once for each request. What it finds is the request's `user`."""
        given = headers_of(scope)
        if self._dev:
            check_from_here(given, self._origins)
        check_address(scope)
        method = str(scope.get("method"))
        check_body(given, handler, method, self._body_limit)
        needed = handler.opt.get(NEEDS, "read" if method in READING else "write")
        if needed is None or method == "OPTIONS":
            return
        if not handler.opt.get(ALWAYS):
            self._room.check()
        principal, bearer = NOBODY if self._dev else await self._shown(given.get(b"authorization"))
        self._buckets.take((principal.mode, principal.name))
        if needed not in principal.scopes:
            raise ScopeMissing(scope=needed)
        check_names_one_user(scope)
        if handler.opt.get(STREAMED):
            self._room.take_stream(scope, principal.user_id or named_in(scope))
            scope["state"][SHOWN] = bearer
        scope["user"] = principal
        scope["state"][LET_IN] = True

    async def is_good(self, bearer: Bearer) -> bool:
        """Still: a key is asked for again, whatever is known of it."""
        if bearer.key is None:
            return bearer.until is None or not has_ended(bearer.until)
        try:
            await self._ask_for(bearer.key)
        except NotAuthenticated:
            return False
        return True

    async def _shown(self, authorization: bytes | None) -> tuple[Principal, Bearer | None]:
        if not authorization:
            raise NotAuthenticated(
                why="Nobody is named: send Authorization: Bearer and a user's token or a service key"
            )
        scheme, _, shown = authorization.decode("latin-1").partition(" ")
        shown = shown.strip()
        if scheme.lower() != "bearer" or not shown:
            raise NotAuthenticated(why="Authorization must be Bearer and a user's token or a service key")
        if shown.startswith(PREFIX):
            digest = digest_of(shown)
            return await self._backend(digest), Bearer(key=digest)
        try:
            taken = self._tokens.taken(shown)
        except BadToken as bad:
            raise NotAuthenticated(why=f"The token is not taken: {bad}") from None
        acting = user_acting(taken.user_id)
        return Principal("user", taken.user_id, acting, A_USER), Bearer(until=taken.until)

    async def _backend(self, digest: bytes) -> Principal:
        found = self._keys.get(digest)
        if found is None or time.monotonic() - found.at > BELIEVED_FOR:
            found = await self._ask_for(digest)
        return found.principal

    async def _ask_for(self, digest: bytes) -> KnownKey:
        now = time.monotonic()
        found = self._keys[digest] = KnownKey(await self._look_up(digest), now)
        self._keys.move_to_end(digest)
        if len(self._keys) > MOST_KEYS:
            self._keys.popitem(last=False)
        return found

    async def _look_up(self, digest: bytes) -> Principal:
        async with self._attachment.hansard.pool.connection() as connection:
            key = await valid_key(connection, digest)
        if key is None:
            self._keys.pop(digest, None)
            raise NotAuthenticated(why="There is no such service key, or it was revoked")
        return Principal("service", None, f"{A_KEY}{key.name}", GRANTED[key.scope])
