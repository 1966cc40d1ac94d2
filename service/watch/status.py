"""What can be known of a database at a glance: how far the log has come, and how far behind the rest is."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from projections import generations
from projections.following import parking
from projections.following.parking import Parked
from projections.generations import Generation, Stage
from projections.projection import Projection
from service.store.connections import RUNTIME_ROLE
from service.store.migrations import check_migrated

SHARDS: Final = """
SELECT l.shard, l.lane, COALESCE((
    SELECT e.position FROM events AS e WHERE e.shard = l.shard ORDER BY e.position DESC LIMIT 1
), 0) AS events
FROM layout AS l ORDER BY l.shard"""
REACHED: Final = """
SELECT projection, generation, bool_and(position IS NULL) AS in_step,
    COALESCE(sum(LEAST(position, head)), 0)::bigint AS applied,
    COALESCE(sum(GREATEST(head - position, 0)), 0)::bigint AS behind,
    min(next_at) AS oldest
FROM (
    SELECT c.projection, c.generation, c.position, COALESCE((
            SELECT e.position FROM events AS e WHERE e.shard = c.shard ORDER BY e.position DESC LIMIT 1
        ), 0) AS head, (
            SELECT e.recorded_at FROM events AS e WHERE e.shard = c.shard AND e.position > c.position
            ORDER BY e.position LIMIT 1
        ) AS next_at
    FROM checkpoints AS c
) AS reached
GROUP BY 1, 2"""
LAST_RETENTION: Final = """
SELECT begun_at, finished_at, counts FROM retention_runs ORDER BY begun_at DESC LIMIT 1"""
DRAFTS: Final = """
SELECT count(*) FILTER (WHERE lease_until >= now()) AS running,
    count(*) FILTER (WHERE lease_until < now()) AS orphaned
FROM drafts"""
RIGHTS: Final = """
SELECT current_user AS name, session_user AS login, r.oid IS NOT NULL AS role_exists,
    COALESCE(pg_has_role(session_user, r.oid, 'MEMBER'), false) AS is_member,
    has_any_column_privilege('events', 'UPDATE') OR has_table_privilege('events', 'DELETE, TRUNCATE')
        AS can_change
FROM (SELECT) AS one LEFT JOIN pg_roles AS r ON r.rolname = %(role)s"""


T = TypeVar("T")


class Shard(Struct, frozen=True):
    shard: int
    lane: int
    events: int
    """The last position, which is also how many there are."""


class BuildReached(Struct, frozen=True):
    """How far one build of a projection has come."""

    projection: str
    generation: int
    in_step: bool
    applied: int
    behind: int
    oldest: datetime | None


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


class DraftCounts(Struct, frozen=True):
    """Replies that are under way."""

    running: int
    orphaned: int
    """Whose process has been silent for longer than its lease: another one is about to end them."""


class RetentionRun(Struct, frozen=True):
    """The last that came to its end."""

    begun_at: datetime
    finished_at: datetime
    counts: dict[str, int]
    """How many conversations were anonymised, erased, left for the next one, and failed."""


class Status(Struct, frozen=True):
    at: datetime
    postgresql: str
    shards: list[Shard]
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
    def needs_somebody(self) -> bool:
        """What does not mend itself."""
        return bool(self.not_built or self.parked)


class Rights(Struct, frozen=True):
    name: str
    login: str
    role_exists: bool
    is_member: bool
    can_change: bool


def status(connection: Connection[Any], projections: Sequence[Projection]) -> Status:
    """As the running service is connected, so that its rights are the ones that are looked at."""
    check_migrated(connection)
    now = datetime.now(UTC)
    shards = rows(connection, Shard, SHARDS)
    builds = generations.every(connection)
    reached = {(each.projection, each.generation): each for each in rows(connection, BuildReached, REACHED)}
    parked = parking.every(connection)
    counts = Counter((each.projection, each.generation) for each in parked)
    live = {(each.projection, each.version): each for each in builds if each.stage == "live"}
    ours = {(each.name, each.version): live.get((each.name, each.version)) for each in projections}
    (rights,) = rows(connection, Rights, RIGHTS, {"role": RUNTIME_ROLE})
    (drafts,) = rows(connection, DraftCounts, DRAFTS)
    read = {build for build in ours.values() if build is not None}
    read_now = {(build.projection, build.number) for build in read}
    others = [build_of(each, reached) for each in builds if each not in read]
    return Status(
        at=now,
        postgresql=connection.info.parameter_status("server_version") or "",
        shards=shards,
        events=sum(shard.events for shard in shards),
        guarded=not rights.can_change,
        guard=guard_in_words(rights),
        projections=[
            projection_status(name, version, build, reached, counts, now)
            for (name, version), build in ours.items()
        ],
        building=[each for each in others if each.stage == "building"],
        leftovers=[each for each in others if each.stage != "building"],
        parked=[each for each in parked if (each.projection, each.generation) in read_now],
        drafts=drafts,
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


def rows(
    connection: Connection[Any], kind: type[T], query: str, given: dict[str, Any] | None = None
) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), given).fetchall()
