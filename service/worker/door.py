"""The short way to what is asked all the time, past the framework: that answers whatever is unusual, and
everything else."""

import re
from collections.abc import Iterator
from typing import Any, Final

from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import Struct

from service.api.answering.problems import details_of
from service.api.asking.auth import Authentication
from service.api.asking.origins import names_a_host
from service.api.asking.quick import AN_ID, QUICKLY, Quick, Unusual, UsualRequest
from service.api.asking.requests import headers_of, log_the_unexpected
from service.attachment import Attachment

PLACE: Final = re.compile(r"\\{(\w+)\\}")


class Way(Struct, frozen=True):
    """To one operation: the framework's own handler has what is asked of who calls it."""

    template: str
    path: re.Pattern[str]
    handler: HTTPRouteHandler
    answer: Quick


class Door:
    """Both ways have the same guard, and refuse in the same words."""

    def __init__(
        self, app: Litestar, authentication: Authentication, attachment: Attachment, *, for_other_sites: bool
    ) -> None:
        """Where other sites' pages may ask, the framework sees to what their browsers are told."""
        self._framework: ASGIApp = app.asgi_handler
        self._authentication = authentication
        self._attachment = attachment
        self._for_other_sites = for_other_sites
        self._ways: dict[str, list[Way]] = {}
        for method, way in ways_in(app):
            self._ways.setdefault(method, []).append(way)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and (way := self._way(scope)) is not None:
            await self._answer(way, scope, receive, send)
        else:
            await self._framework(scope, receive, send)

    async def _answer(self, way: Way, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request = UsualRequest(scope, receive, self._attachment)
        response: ASGIApp
        try:
            await self._authentication.let_in(scope, way.handler)
            response = await way.answer(request)
        except Unusual:
            await self._framework(scope, request.receive_again, send)
            return
        except Exception as error:
            response = await refused(error, scope)
        await response(scope, receive, send)

    def _way(self, scope: HTTPScope) -> Way | None:
        given = headers_of(scope)
        if (
            scope.get("root_path")
            or not names_a_host(given.get(b"host", b""))
            or (self._for_other_sites and b"origin" in given)
        ):
            return None
        for way in self._ways.get(scope["method"], ()):
            if (found := way.path.fullmatch(scope["path"])) is not None:
                scope["path_template"], scope["path_params"] = way.template, found.groupdict()
                return way
        return None


def ways_in(app: Litestar) -> Iterator[tuple[str, Way]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if (answer := handler.opt.get(QUICKLY)) is not None:
                    path = PLACE.sub(rf"(?P<\1>{AN_ID.pattern})", re.escape(route.path_format))
                    way = Way(route.path_format, re.compile(path), handler, answer)
                    yield from ((method, way) for method in handler.http_methods if method != "OPTIONS")


async def refused(error: Exception, scope: HTTPScope) -> ASGIResponse:
    await log_the_unexpected(error, scope)
    request = Request[Any, Any, Any](scope)
    return details_of(error).to_response(request).to_asgi_response(None, request)
