"""`/metrics`, and the counting of requests."""

import asyncio
from typing import Final

from litestar import Response, get
from litestar.datastructures import State
from litestar.types import HTTPScope
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.answering.examples import MAY_NOT, NOBODY, TOO_OFTEN, refuses
from service.api.asking.auth import needing
from service.api.asking.room import EVEN_WHEN_FULL
from service.watch import metrics
from service.watch.look import Watch

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""One name for all paths that there are not: everybody can make up more of them."""


@get(
    "/metrics",
    tags=["health"],
    summary="Counts for Prometheus",
    opt=needing("audit") | EVEN_WHEN_FULL,
    media_type=CONTENT_TYPE_LATEST,
    responses=refuses(NOBODY, MAY_NOT, TOO_OFTEN),
)
async def metrics_of_all_workers(state: State) -> Response[bytes]:
    """Prometheus' text format: the sum over all workers, and how far the projections are."""
    watch: Watch = state["watch"]
    look = await watch.look()
    text = await asyncio.to_thread(metrics.exposition, look)
    return Response(text, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def count(scope: HTTPScope, status: int, seconds: float) -> None:
    route, method = scope.get("path_template", UNMATCHED), scope["method"]
    if route == UNMATCHED:
        metrics.count_request(route, method if method in METHODS else "other", status)
    else:
        metrics.count_request(route, method, status, seconds)
