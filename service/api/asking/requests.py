"""What a request brings: its id, its headers, its body; and the log of what nobody expected of it."""

import logging
import os
import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from litestar import Request
from litestar.exceptions import SerializationException
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Scope

from service.api.answering.problems import BROKEN, details_of
from service.api.asking.origins import Header

HEADER: Final = b"x-request-id"
DECENT: Final = re.compile(rb"[!-~]{1,128}")
GIVEN: Final = "hansard_headers"
WAS_READ: Final = "hansard_body_was_read"
HALF_A_PAIR: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)

logger = logging.getLogger("hansard.api")


class JsonRequest(Request[Any, Any, Any]):
    """Whatever is wrong with a body is told as that, and what is wrong with it in words that help."""

    async def body(self) -> bytes:
        whole = await super().body()
        was_read(self.scope)
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


class RequestIds:
    """The caller's own id where it is a decent one; or else one that no other process gives, nor this one
    again."""

    def __init__(self) -> None:
        self._process = os.urandom(8).hex()
        self._numbers = count(1)

    def id_for(self, given: Mapping[bytes, bytes]) -> str:
        own = given.get(HEADER)
        if own is not None and DECENT.fullmatch(own):
            return own.decode()
        return f"{self._process}{next(self._numbers):016x}"


def take_headers(scope: HTTPScope) -> Mapping[bytes, bytes]:
    """Read once for everybody; of several with one name, the first."""
    given = scope["state"][GIVEN] = dict(reversed(list(scope["headers"])))
    return given


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    given: Mapping[bytes, bytes] = scope["state"][GIVEN]
    return given


def was_read(scope: Scope) -> None:
    """All of the body."""
    scope["state"][WAS_READ] = True


def leaves_a_body_unread(scope: HTTPScope) -> bool:
    """What is left of a body that was refused ends its connection; a client that is not told would send its
    next request there, and get no answer."""
    return has_body(headers_of(scope)) and not scope["state"].get(WAS_READ)


def has_body(sent: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in sent or sent.get(b"content-length", b"0") != b"0"


def telling_all_methods(headers: list[Header], scope: HTTPScope) -> list[Header]:
    """The framework's own answer to OPTIONS knows only those of the path's first handler."""
    path = scope.get("path_template")
    for route in scope["litestar_app"].routes:
        if isinstance(route, HTTPRoute) and route.path_format == path:
            allowed = ", ".join(sorted(route.methods)).encode()
            return [*(header for header in headers if header[0] != b"allow"), (b"allow", allowed)]
    return headers


async def log_the_unexpected(error: Exception, scope: Scope) -> None:
    """A refusal is an answer. What is away says so in a line; only what nobody foresaw says where. The path
    is the operation's: what stands in it for a user, or for something of hers, is not for a log to keep."""
    told = details_of(error)
    kind, path = scope["type"], scope.get("path_template") or "a path"
    if told.status_code == BROKEN:
        logger.error("%s %s failed", kind, path, exc_info=error)
    elif told.status_code > BROKEN:
        logger.warning("%s %s was answered with %d %s", kind, path, told.status_code, told.type_)
