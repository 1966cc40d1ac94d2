"""What can be known of a database at a glance: how far the log has come, and how far behind the rest is."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from projections import generations
from projections.following import parking
from projections.following.parking import Parked
from projections.generations import Generation, Stage
from projections.projection import Projection
from service.store.migrations import check_migrated
from service.store.roles import RUNTIME_ROLE
from service.store.topology.topology import Topology
from service.watch.lanes import (
    BuildReached,
    DraftCounts,
    LaneStatus,
    Shard,
    look_at_lanes,
    rows,
    together,
)

LAST_RETENTION: Final = """
SELECT begun_at, finished_at, counts FROM retention_runs ORDER BY begun_at DESC LIMIT 1"""
RIGHTS: Final = """
SELECT current_user AS name, session_user AS login, r.oid IS NOT NULL AS role_exists,
    COALESCE(pg_has_role(session_user, r.oid, 'MEMBER'), false) AS is_member,
    has_any_column_privilege('events', 'UPDATE') OR has_table_privilege('events', 'DELETE, TRUNCATE')
        AS can_change
FROM (SELECT) AS one LEFT JOIN pg_roles AS r ON r.rolname = %(role)s"""


class ProjectionStatus(Struct, frozen=True):
    """One projection of this code, as it is read now."""

    name: str
    version: str
    generation: int | None
    """None: it was not built for this version yet."""
    in_step: bool
    """Written together with every append, everywhere."""
    applied: int
    behind: int
    seconds_behind: float
    """The age of the oldest event that it has not got."""
    parked: int


class OtherBuild(Struct, frozen=True):
    """One that is not read by this code: under way, or left over."""

    projection: str
    generation: int
    version: str
    stage: Stage
    behind: int


class RetentionRun(Struct, frozen=True):
    """The last that came to its end."""

    begun_at: datetime
    finished_at: datetime
    counts: dict[str, int]
    """How many conversations were anonymised, erased, left for the next one, and failed."""


class Status(Struct, frozen=True):
    at: datetime
    postgresql: str
    topology: str
    """What there is beside PostgreSQL."""
    shards: list[Shard]
    lanes: list[LaneStatus]
    events: int
    guarded: bool
    guard: str
    """What keeps the log from being changed; or what is missing for that, in words."""
    projections: list[ProjectionStatus]
    building: list[OtherBuild]
    leftovers: list[OtherBuild]
    parked: list[Parked]
    drafts: DraftCounts
    retention: RetentionRun | None = None

    @property
    def not_built(self) -> list[ProjectionStatus]:
        return [each for each in self.projections if each.generation is None]

    @property
    def away(self) -> list[LaneStatus]:
        """What cannot be reached: all that is told counts the others alone."""
        return [each for each in self.lanes if not each.is_reached]

    @property
    def needs_somebody(self) -> bool:
        """What does not mend itself."""
        return bool(self.not_built or self.parked or self.away)


class Rights(Struct, frozen=True):
    name: str
    login: str
    role_exists: bool
    is_member: bool
    can_change: bool


def status(connection: Connection[Any], projections: Sequence[Projection], topology: Topology) -> Status:
    """As the running service is connected, so that its rights are the ones that are looked at."""
    check_migrated(connection)
    now = datetime.now(UTC)
    lanes, seen = look_at_lanes(connection, topology)
    builds = generations.every(connection)
    reached = together(each for sight in seen for each in sight.reached)
    parked = sorted((each for sight in seen for each in sight.parked), key=parking.in_order)
    counts = Counter((each.projection, each.generation) for each in parked)
    live = {(each.projection, each.version): each for each in builds if each.stage == "live"}
    ours = {(each.name, each.version): live.get((each.name, each.version)) for each in projections}
    (rights,) = rows(connection, Rights, RIGHTS, {"role": RUNTIME_ROLE})
    read = {build for build in ours.values() if build is not None}
    read_now = {(build.projection, build.number) for build in read}
    others = [build_of(each, reached) for each in builds if each not in read]
    return Status(
        at=now,
        postgresql=connection.info.parameter_status("server_version") or "",
        topology=topology.name,
        shards=sorted(each for sight in seen for each in sight.shards),
        lanes=lanes,
        events=sum(each.events for sight in seen for each in sight.shards),
        guarded=not rights.can_change,
        guard=guard_in_words(rights),
        projections=[
            projection_status(name, version, build, reached, counts, now)
            for (name, version), build in ours.items()
        ],
        building=[each for each in others if each.stage == "building"],
        leftovers=[each for each in others if each.stage != "building"],
        parked=[each for each in parked if (each.projection, each.generation) in read_now],
        drafts=DraftCounts(
            sum(sight.drafts.running for sight in seen), sum(sight.drafts.orphaned for sight in seen)
        ),
        retention=next(iter(rows(connection, RetentionRun, LAST_RETENTION)), None),
    )


def projection_status(
    name: str,
    version: str,
    build: Generation | None,
    reached: dict[tuple[str, int], BuildReached],
    parked: Counter[tuple[str, int]],
    now: datetime,
) -> ProjectionStatus:
    place = (name, build.number) if build else None
    far = reached.get(place) if place else None
    if build is None or far is None:
        return ProjectionStatus(name, version, None, False, 0, 0, 0.0, 0)
    age = (now - far.oldest).total_seconds() if far.oldest else 0.0
    return ProjectionStatus(
        name,
        version,
        build.number,
        far.in_step,
        far.applied,
        far.behind,
        max(0.0, age),
        parked[build.projection, build.number],
    )


def build_of(build: Generation, reached: dict[tuple[str, int], BuildReached]) -> OtherBuild:
    far = reached.get((build.projection, build.number))
    return OtherBuild(build.projection, build.number, build.version, build.stage, far.behind if far else 0)


def guard_in_words(rights: Rights) -> str:
    if not rights.can_change:
        return f"{rights.name} can add to the log and read it, and nothing else"
    if not rights.role_exists:
        return f"there is no role {RUNTIME_ROLE}: run hansard migrate with an --owner-dsn that may make roles"
    if not rights.is_member:
        return f"{rights.login} is no member of {RUNTIME_ROLE}: GRANT {RUNTIME_ROLE} TO {rights.login}"
    return (
        f"{rights.name} may change events: run hansard migrate, or REVOKE what it has beside SELECT, INSERT"
    )
