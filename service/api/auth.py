"""The guard of every operation: who asks, and whether she may; before anything of the request is read."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from service.api.errors import ScopeMissing
from service.api.principal import Principal, Scope
from service.settings import Settings

NEEDS: Final = "needs"
OPEN: Final = {NEEDS: None}
"""For a handler's `opt`: everybody may call it, and nobody is asked who he is."""
READING: Final = frozenset({"GET", "HEAD"})

DEV: Final = Principal("dev", None, "dev", frozenset({"read", "write", "audit", "admin"}))


def needing(scope: Scope) -> dict[str, Any]:
    """For the `opt` of a handler that takes more than its method tells: reading reads, all else writes."""
    return {NEEDS: scope}


async def admitted(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    method = connection.scope["method"]
    needed = handler.opt.get(NEEDS, "read" if method in READING else "write")
    if needed is None or method == "OPTIONS":
        return
    principal = await authenticated(connection)
    if needed not in principal.scopes:
        raise ScopeMissing(scope=needed)
    connection.scope["user"] = principal


async def authenticated(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    settings: Settings = connection.app.state["settings"]
    return DEV
