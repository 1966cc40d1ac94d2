"""How the service fares, for those who run it: what is where, what was said each day, what happens now."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from projections.following import parking
from projections.usage import Day, days_of_all
from service.api.answering import examples
from service.api.answering.examples import gives
from service.api.answering.wire import answer, moment, unfit, value_in
from service.api.asking.auth import needing
from service.hansard import Hansard
from service.store.errors import StoreUnavailable
from service.watch import status
from service.watch.activity import Counted
from service.watch.lanes import DraftCounts, LaneStatus
from service.watch.look import Watch

TAGS: Final = ["admin"]
ADMIN: Final = needing("admin")
MOST_PARKED: Final = 100
MOST_DAYS: Final = 366
DAYS: Final = 30
"""That are told of where nothing is said."""
MOST_MINUTES: Final = 24 * 60
A_DAY: Final[dict[str, Any]] = {
    "one_of": None,
    "type": OpenAPIType.STRING,
    "format": OpenAPIFormat.DATE,
}


class ParkedConversation(Struct, frozen=True):
    """One of which a projection has nothing from a position on. The error quotes nothing of the event."""

    projection: str
    shard: int
    conversation_id: UUID
    position: int
    error: str
    parked_at: datetime


class ServiceStatus(Struct, frozen=True):
    """At most a second old. Of what is parked there are at most a hundred here; `parked_in_all` counts it."""

    at: datetime
    postgresql: str
    events: int
    shards: int
    topology: str
    lanes: list[LaneStatus]
    guarded: bool
    guard: str
    projections: list[status.ProjectionStatus]
    building: list[status.OtherBuild]
    leftovers: list[status.OtherBuild]
    parked: list[ParkedConversation]
    parked_in_all: int
    drafts: DraftCounts


class UsageByDay(Struct, frozen=True):
    """In order; a day on which nobody said anything is there as well."""

    days: list[Day]


class Latency(Struct, frozen=True):
    """In seconds, from the moment when an append was asked for; half of them, 95 and 99 % took no longer."""

    p50: float
    p95: float
    p99: float


class Minute(Struct, frozen=True):
    at: datetime
    messages: int
    events: int
    appends: int
    latency: Latency | None
    """None where nothing was appended."""


class Activity(Struct, frozen=True):
    """In order and without a gap; the last minute is not over yet."""

    minutes: list[Minute]


STATUS: Final[dict[str, Any]] = {
    "at": examples.ANSWERED_AT,
    "postgresql": "18.1",
    "events": 1203345,
    "shards": 64,
    "topology": "Citus 13.2.2",
    "lanes": [
        {
            "lane": 0,
            "shards": [*range(0, 64, 2)],
            "is_reached": True,
            "events": 601672,
            "part": 102008,
            "node": "db1:5432",
        },
        {
            "lane": 1,
            "shards": [*range(1, 64, 2)],
            "is_reached": True,
            "events": 601673,
            "part": 102009,
            "node": "db2:5432",
        },
    ],
    "guarded": True,
    "guard": "hansard_runtime can add to the log and read it, and nothing else",
    "projections": [
        {
            "name": "search",
            "version": "1",
            "generation": 2,
            "in_step": False,
            "applied": 1203340,
            "behind": 5,
            "seconds_behind": 0.2,
            "parked": 1,
        }
    ],
    "building": [
        {"projection": "usage", "generation": 3, "version": "1", "stage": "building", "behind": 900000}
    ],
    "leftovers": [],
    "parked": [
        {
            "projection": "search",
            "shard": 17,
            "conversation_id": examples.CONVERSATION_ID,
            "position": 1809,
            "error": "ValueError in words_of, search.py:81",
            "parked_at": examples.ASKED_AT,
        }
    ],
    "parked_in_all": 1,
    "drafts": {"running": 3, "orphaned": 0},
}
USED: Final = {
    "day": "2026-03-14",
    "messages": 4200,
    "questions": 2100,
    "replies": 2100,
    "characters": 1260000,
    "tokens": 310000,
}
ACTIVE: Final = {
    "at": "2026-03-14T09:26:00Z",
    "messages": 130,
    "events": 141,
    "appends": 71,
    "latency": {"p50": 0.0041, "p95": 0.0118, "p99": 0.0203},
}


@get(
    "/api/admin/status",
    opt=ADMIN,
    tags=TAGS,
    summary="How far the log and its projections are",
    responses=gives(200, ServiceStatus, STATUS, "What `hansard status` tells.", examples.MAY_NOT),
)
async def read_status(state: State) -> ASGIResponse:
    """The projections that are read, builds under way or left over, and conversations that need somebody."""
    watch: Watch = state["watch"]
    look = await watch.look()
    if look.status is None:
        raise StoreUnavailable(why=look.failure, retry_after=1)
    return answer(shown(look.status))


def shown(now: status.Status) -> ServiceStatus:
    return ServiceStatus(
        moment(now.at),
        now.postgresql,
        now.events,
        sum(len(each.shards) for each in now.lanes),
        now.topology,
        now.lanes,
        now.guarded,
        now.guard,
        now.projections,
        now.building,
        now.leftovers,
        [parked(each) for each in now.parked[:MOST_PARKED]],
        len(now.parked),
        now.drafts,
    )


def parked(each: parking.Parked) -> ParkedConversation:
    return ParkedConversation(
        each.projection, each.shard, each.conversation_id, each.position, each.error, moment(each.parked_at)
    )


@get(
    "/api/admin/usage",
    opt=ADMIN,
    tags=TAGS,
    summary="How much everybody said on each day",
    responses=gives(
        200, UsageByDay, {"days": [USED]}, "Each day from the first to the last, in UTC.", examples.MAY_NOT
    ),
)
async def usage(
    hansard: NamedDependency[Hansard],
    since: Annotated[
        str | None,
        QueryParameter(
            name="from",
            description="The first day; 29 days before the last one, if nothing is said.",
            schema_extra=A_DAY,
        ),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(
            name="to",
            description="The last day, which is told of, too; today, if nothing is said.",
            schema_extra=A_DAY,
        ),
    ] = None,
) -> ASGIResponse:
    """Messages, characters and tokens as they were added, for at most 366 days. What was erased is not in it
    any more."""
    last = datetime.now(UTC).date() if until is None else day_in("to", until)
    first = days_before(last, DAYS - 1) if since is None else day_in("from", since)
    if first > last:
        raise unfit("from", f"Expected a day that is not after {last}, the last one")
    if last - first >= timedelta(days=MOST_DAYS):
        raise unfit("from", f"Expected at most {MOST_DAYS} days: {days_before(last, MOST_DAYS - 1)} or later")
    shards = range(hansard.store.shards)
    return answer(UsageByDay(await days_of_all(hansard.views["usage"], shards, first, last)))


def day_in(name: str, text: str) -> date:
    day: date = value_in(name, text, date)
    return day


def days_before(last: date, days: int) -> date:
    return date.fromordinal(max(1, last.toordinal() - days))


@get(
    "/api/admin/activity",
    opt=ADMIN,
    tags=TAGS,
    summary="What was appended in each of the last minutes",
    responses=gives(
        200, Activity, {"minutes": [ACTIVE]}, "By the minute, all workers together.", examples.MAY_NOT
    ),
)
async def activity(
    hansard: NamedDependency[Hansard],
    minutes: Annotated[
        int, QueryParameter(ge=1, le=MOST_MINUTES, description="How many: 1 to 1,440, which is a day.")
    ] = 60,
) -> ASGIResponse:
    """Messages, events and appends, and how long appends took. What other workers count is two seconds late;
    an import is not counted as something that was said."""
    return answer(Activity([minute(each) for each in await hansard.activity.minutes(minutes)]))


def minute(counted: Counted) -> Minute:
    p50, p95, p99 = (counted.seconds(share) for share in (0.5, 0.95, 0.99))
    latency = None if p50 is None or p95 is None or p99 is None else Latency(p50, p95, p99)
    return Minute(counted.minute, counted.messages, counted.events, counted.appends, latency)


HANDLERS: Final = (read_status, usage, activity)
