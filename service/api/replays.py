"""Replays, started and watched over HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath
from litestar.response.base import ASGIResponse
from msgspec import Struct, field

from projections.errors import ReplayIsRunning
from service.api.admin import ADMIN, TAGS
from service.api.answering import examples
from service.api.answering.documented import Limited
from service.api.answering.errors import ReplayNotFound
from service.api.answering.examples import gives
from service.api.answering.sse import EventStream, event
from service.api.answering.wire import Sent, answer, moment
from service.api.asking.principal import Principal
from service.api.asking.room import STREAMS
from service.hansard import Hansard
from service.replay import jobs
from service.replay.report import NoSuchProjection
from service.replay.thread import Kind, Outcome

HEARTBEAT: Final = b": nothing new\n\n"
HEARTBEAT_EVERY: Final = 15.0
MOST_NAMES: Final = 20


class NewReplay(Sent, frozen=True, kw_only=True):
    projections: Annotated[list[str], Limited(max_items=MOST_NAMES)] = field(default_factory=list)
    """None named: all of them."""
    check: bool = False
    """Build and compare, and switch nothing."""


class Replay(Struct, frozen=True):
    """`outcome` is null while it is under way: then `stage` says what is being done, and `done` of `total`
    events how far that has come; a stage without events has no total. In the end it is `done`, `differs` (a
    check found something), `stopped` (its process ended; started again, a replay goes on from there) or
    `failed`; and `report` says in words what came of it."""

    id: UUID
    kind: Kind
    projections: list[str]
    started_by: str
    stage: str
    done: int
    total: int
    per_second: float
    seconds_left: float | None
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    report: list[str]


class Replays(Struct, frozen=True):
    """The latest first, at most twenty; one that is under way is among them."""

    replays: list[Replay]


BEGUN: Final[dict[str, Any]] = {
    "id": "0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f",
    "kind": "replay",
    "projections": ["usage"],
    "started_by": "key:operator",
    "stage": "copying",
    "done": 400000,
    "total": 1203345,
    "per_second": 61000.0,
    "seconds_left": 13.2,
    "started_at": examples.ASKED_AT,
    "report": [],
}
ENDED: Final[dict[str, Any]] = BEGUN | {
    "stage": "switching",
    "done": 0,
    "total": 0,
    "per_second": 0.0,
    "seconds_left": 0.0,
    "ended_at": examples.ANSWERED_AT,
    "outcome": "done",
    "report": [
        "usage is built: generation 3 is live",
        "1,203,345 events in 19.8 s, 60,775 a second; appends waited 4 ms for the switch",
    ],
}
STREAM: Final = """\
event: progress
id: {id}
data: {begun}

event: ended
id: {id}
data: {ended}

""".format(
    id=BEGUN["id"],
    begun=msgspec.json.encode(BEGUN).decode(),
    ended=msgspec.json.encode(ENDED).decode(),
)
UNKNOWN: Final = (ReplayNotFound(),)


@post(
    "/api/admin/replays",
    status_code=202,
    opt=ADMIN,
    tags=TAGS,
    summary="Build projections anew, or prove them",
    responses=gives(
        202,
        Replay,
        BEGUN,
        "It is under way.",
        examples.MAY_NOT,
        examples.BODY,
        (
            NoSuchProjection(name="histroy", names="history, conversations, search, usage"),
            ReplayIsRunning(projection="usage", holder="key:operator, since 2026-03-14 09:26:53 UTC"),
        ),
    ),
)
async def start(
    data: Annotated[
        NewReplay, BodyKwarg(examples=[Example(value={"projections": ["usage"], "check": False})])
    ],
    hansard: NamedDependency[Hansard],
    principal: NamedDependency[Principal],
) -> ASGIResponse:
    """As `hansard replay` does, and with `check` as `hansard replay --check`, in this worker and beside its
    requests; for a large log the command, which uses all cores, is quicker. There is one at a time."""
    kind: Kind = "check" if data.check else "replay"
    return answer(shown(await hansard.replays.start(data.projections, kind, principal.name)), 202)


@get(
    "/api/admin/replays",
    opt=ADMIN,
    tags=TAGS,
    summary="The replays that were started over HTTP",
    responses=gives(200, Replays, {"replays": [ENDED]}, "The latest first.", examples.MAY_NOT),
)
async def latest(hansard: NamedDependency[Hansard]) -> ASGIResponse:
    """The one that is under way, if there is one, and those before it."""
    return answer(Replays([shown(each) for each in await hansard.replays.latest()]))


@get(
    "/api/admin/replays/{replay_id:str}",
    opt=ADMIN,
    tags=TAGS,
    summary="How far a replay has come, or what came of it",
    responses=gives(200, Replay, ENDED, "As it is now.", examples.MAY_NOT, UNKNOWN),
)
async def read(replay_id: FromPath[UUID], hansard: NamedDependency[Hansard]) -> ASGIResponse:
    """Any worker can tell, whichever of them runs it."""
    return answer(shown(await found(hansard, replay_id)))


@get(
    "/api/admin/replays/{replay_id:str}/stream",
    opt=ADMIN | STREAMS,
    tags=TAGS,
    summary="Watch a replay to its end",
    responses={
        **gives(200, Replay, {}, "", examples.MAY_NOT, UNKNOWN, examples.STREAMED),
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/event-stream",
            description="The events `progress`… and `ended`, after which there is nothing more.",
            examples=[Example(value=STREAM)],
        ),
    },
)
async def stream(replay_id: FromPath[UUID], hansard: NamedDependency[Hansard]) -> ASGIResponse:
    """Begins with how it is now, and then tells what has changed, twice a second at most. A stream that ends
    without `ended` was cut off: ask again."""
    await found(hansard, replay_id)
    return EventStream(told(hansard.replays.watch(replay_id, HEARTBEAT_EVERY)))


async def told(seen: AsyncIterator[jobs.ReplayJob | None]) -> AsyncIterator[bytes]:
    async for replay in seen:
        if replay is None:
            yield HEARTBEAT
        else:
            name = "progress" if replay.outcome is None else "ended"
            yield event(name, str(replay.id), shown(replay))


async def found(hansard: Hansard, replay_id: UUID) -> jobs.ReplayJob:
    if (replay := await hansard.replays.find(replay_id)) is None:
        raise ReplayNotFound
    return replay


def shown(replay: jobs.ReplayJob) -> Replay:
    return Replay(
        replay.id,
        replay.kind,
        replay.projections,
        replay.started_by,
        replay.stage,
        replay.done,
        replay.total,
        replay.per_second,
        replay.seconds_left,
        moment(replay.started_at),
        moment(replay.ended_at) if replay.ended_at else None,
        replay.outcome,
        replay.report,
    )


HANDLERS: Final = (start, latest, read, stream)
