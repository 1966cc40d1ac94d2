"""`/metrics`, and the counting of requests."""

import asyncio
import time
from typing import Final

from litestar import Response, get
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.answering.examples import MAY_NOT, NOBODY, TOO_OFTEN, refuses
from service.api.asking.auth import needing
from service.watch import metrics
from service.watch.look import Watch

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""One name for all paths that there are not: everybody can make up more of them."""


@get(
    "/metrics",
    tags=["health"],
    summary="Counts for Prometheus",
    opt=needing("audit"),
    media_type=CONTENT_TYPE_LATEST,
    responses=refuses(NOBODY, MAY_NOT, TOO_OFTEN),
)
async def metrics_of_all_workers(state: State) -> Response[bytes]:
    """Prometheus' text format: the sum over all workers, and how far the projections are."""
    watch: Watch = state["watch"]
    look = await watch.look()
    text = await asyncio.to_thread(metrics.exposition, look)
    return Response(text, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def counting(app: ASGIApp) -> ASGIApp:
    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        status, started = 500, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, answer)
        finally:
            if scope["type"] == ScopeType.HTTP:
                seconds = time.perf_counter() - started
                metrics.count_request(scope["path_template"], scope["method"], status, seconds)

    return counted


async def count_the_unmatched(error: Exception, scope: Scope) -> None:
    """What no route takes does not get as far as the counting above."""
    if scope["type"] == ScopeType.HTTP and "path_template" not in dict(scope):
        status = error.status_code if isinstance(error, HTTPException) else 500
        method = scope["method"] if scope["method"] in METHODS else "other"
        metrics.count_request(UNMATCHED, method, status)
