"""Gives every request an id, the caller's own where it sends a decent one, and logs what nobody expected."""

import logging
import re
from typing import Any, Final
from uuid import uuid4

from litestar import Request
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.exceptions import SerializationException
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.answering.problems import BROKEN, details_of
from service.watch.logs import REQUEST_ID

HEADER: Final = "X-Request-Id"
DECENT: Final = re.compile(r"[!-~]{1,128}")
WAS_READ: Final = "hansard_body_was_read"
HALF_A_PAIR: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)

logger = logging.getLogger("hansard.api")


class JsonRequest(Request[Any, Any, Any]):
    """Whatever is wrong with a body is told as that, and what is wrong with it in words that help."""

    async def body(self) -> bytes:
        whole = await super().body()
        self.scope["state"][WAS_READ] = True
        return whole

    async def json(self) -> Any:
        try:
            return await super().json()
        except UnicodeDecodeError:
            raise SerializationException("it is not in UTF-8") from None
        except RecursionError:
            raise SerializationException("it is nested too deeply") from None
        except SerializationException:
            if HALF_A_PAIR.search(await self.body()):
                raise SerializationException("it holds half of a surrogate pair") from None
            raise


async def closing_what_is_unread(message: Message, scope: Scope) -> None:
    """What is left of a body that was refused ends its connection; a client that is not told would send its
    next request there, and get no answer."""
    if message["type"] == "http.response.start" and message["status"] >= 400:
        sent = Headers.from_scope(scope)
        has_body = "transfer-encoding" in sent or sent.get("content-length", "0") != "0"
        if has_body and not scope["state"].get(WAS_READ):
            MutableScopeHeaders.from_message(message)["Connection"] = "close"


async def telling_all_methods(message: Message, scope: Scope) -> None:
    """The framework's own answer to OPTIONS knows only those of the path's first handler."""
    if message["type"] == "http.response.start" and scope.get("method") == "OPTIONS":
        path = scope.get("path_template")
        for route in scope["litestar_app"].routes:
            if isinstance(route, HTTPRoute) and route.path_format == path:
                MutableScopeHeaders.from_message(message)["Allow"] = ", ".join(sorted(route.methods))


def with_request_id(app: ASGIApp) -> ASGIApp:
    async def numbered(scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers.from_scope(scope).get(HEADER, "")
        request_id = given if DECENT.fullmatch(given) else uuid4().hex

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[HEADER] = request_id
            await send(message)

        token = REQUEST_ID.set(request_id)
        try:
            await app(scope, receive, answer)
        finally:
            REQUEST_ID.reset(token)

    return numbered


async def log_the_unexpected(error: Exception, scope: Scope) -> None:
    """A refusal is an answer. What is away says so in a line; only what nobody foresaw says where. The path
    is the operation's: what stands in it for a user, or for something of hers, is not for a log to keep."""
    told = details_of(error)
    kind, path = scope["type"], scope.get("path_template") or "a path"
    if told.status_code == BROKEN:
        logger.error("%s %s failed", kind, path, exc_info=error)
    elif told.status_code > BROKEN:
        logger.warning("%s %s was answered with %d %s", kind, path, told.status_code, told.type_)
