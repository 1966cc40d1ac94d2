"""Whether the process lives, for those who restart it; whether it is ready, for those who send it work."""

from collections.abc import Iterator
from typing import Final, Literal

from litestar import Response, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from service.api.asking.auth import NOBODY_IS_ASKED, OPEN
from service.attachment import Attachment
from service.hansard import Hansard
from service.watch.look import SILENT, Sighting, Watch

LONGEST_STANDSTILL: Final = 60.0
"""A projection that is behind and has not moved for so many seconds has nobody who follows the log."""
NEVER_KEPT: Final = {"Cache-Control": "no-store"}


class Live(Struct, frozen=True):
    status: Literal["live"] = "live"


class Ready(Struct, frozen=True):
    status: Literal["ready", "not ready"]
    problems: list[str]
    """What keeps the service from answering, and what to do about it."""
    behind: dict[str, int]
    """How many events each projection has still to take."""
    parked: dict[str, int]
    """Conversations that a projection could not take whole; all others are answered."""
    out_of_reach: list[int]
    """Shards that cannot be reached: their users are answered with 503, everybody else as ever."""


@get(
    "/health/live",
    tags=["health"],
    summary="The process runs",
    opt=OPEN,
    security=NOBODY_IS_ASKED,
    sync_to_thread=False,
)
def live() -> Response[Live]:
    """Always 200 while the process can answer at all, whatever the database does."""
    return Response(Live(), headers=NEVER_KEPT)


@get(
    "/health/ready",
    tags=["health"],
    summary="The service can answer",
    opt=OPEN,
    security=NOBODY_IS_ASKED,
    responses={503: ResponseSpec(Ready, description="Not ready: what is missing, and what to do")},
)
async def ready(state: State) -> Response[Ready]:
    """200 when the database answers, is migrated, and all that is read from it is built and moving. While
    some of its shards cannot be reached it is 200, for all others are served, and it names those."""
    watch: Watch = state["watch"]
    attachment: Attachment = state["attachment"]
    look = await watch.look()
    answer = readiness(look, attachment.hansard if attachment.is_there else None)
    return Response(answer, status_code=503 if answer.problems else 200, headers=NEVER_KEPT)


def readiness(look: Sighting, hansard: Hansard | None) -> Ready:
    away = out_of_reach(look, hansard)
    found = [] if is_moving_in_part(look, hansard) else list(problems(look, hansard is not None))
    if look.status is not None and hansard is not None:
        found += standing_still(hansard)
    projections = look.status.projections if look.status else []
    return Ready(
        "not ready" if found else "ready",
        found,
        {each.name: each.behind for each in projections if each.behind},
        {each.name: each.parked for each in projections if each.parked},
        away,
    )


def out_of_reach(look: Sighting, hansard: Hansard | None) -> list[int]:
    """As the look at the database has it, and this process's own connections."""
    found = {shard for lane in (look.status.away if look.status else []) for shard in lane.shards}
    if hansard is not None:
        patience = hansard.database.patience
        found.update(hansard.store.out_of_reach(patience.asked))
        found.update(hansard.follower.out_of_reach(patience.silence))
    return sorted(found)


def is_moving_in_part(look: Sighting, hansard: Hansard | None) -> bool:
    """A look at all of the database waits for a part that is silent; this process goes on with the others."""
    if look is not SILENT or hansard is None:
        return False
    moving = hansard.follower.standing_still_for() < hansard.database.patience.silence
    return moving and len(hansard.store.lanes) > 1


def problems(look: Sighting, attached: bool) -> Iterator[str]:
    if look.status is None:
        yield look.failure
        return
    if not attached:
        yield "this process has not taken the database into use yet: it tries again every second"
    if len(look.status.away) == len(look.status.lanes):
        yield "none of the servers that keep the log can be reached: see that they run"
        return
    for each in look.status.not_built:
        yield f"{each.name} is not built for this version: run hansard replay {each.name}"
    for each in look.status.projections:
        seconds = look.stalled.get(each.name, 0.0)
        if seconds >= LONGEST_STANDSTILL:
            yield (
                f"{each.name} is {each.behind:,} events behind and has not moved for {seconds:,.0f} s: "
                "see the log, and restart the service"
            )


def standing_still(hansard: Hansard) -> Iterator[str]:
    """What only this process has to tell: its own connections may be silent while others are answered."""
    patience = hansard.database.patience
    writer, follower = hansard.store.standing_still_for(), hansard.follower.standing_still_for()
    if writer >= patience.asked:
        yield f"this process's writer could store nothing for {writer:,.0f} s: see the log; it goes on trying"
    if follower >= patience.standing_still:
        yield f"this process's follower has not moved for {follower:,.0f} s: see the log; it goes on trying"
