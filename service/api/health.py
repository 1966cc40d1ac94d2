"""Whether the process lives: for those who restart it when it does not."""

from litestar import get
from msgspec import Struct


class Live(Struct, frozen=True):
    status: str = "live"


@get("/health/live", tags=["health"], summary="The process runs", sync_to_thread=False)
def live() -> Live:
    """Always 200 while the process can answer at all, whatever the database does."""
    return Live()
