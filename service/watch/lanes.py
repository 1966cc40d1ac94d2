"""What each lane has to tell, asked by itself: one that is away keeps back nothing of the others."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from projections.following import parking
from projections.following.parking import Parked
from projections.rows.silence import is_part_away
from service.store.layout import lanes
from service.store.log import heads_of
from service.store.topology.topology import Topology

REACHED: Final = """
SELECT projection, generation, bool_and(position IS NULL) AS in_step,
    COALESCE(sum(LEAST(position, head)), 0)::bigint AS applied,
    COALESCE(sum(GREATEST(head - position, 0)), 0)::bigint AS behind,
    min(next_at) AS oldest
FROM (
    SELECT c.projection, c.generation, c.position, COALESCE((
            SELECT e.position FROM events AS e
            WHERE e.shard = c.shard AND e.shard = ANY(%(shards)s::smallint[])
            ORDER BY e.position DESC LIMIT 1
        ), 0) AS head, (
            SELECT e.recorded_at FROM events AS e
            WHERE e.shard = c.shard AND e.shard = ANY(%(shards)s::smallint[]) AND e.position > c.position
            ORDER BY e.position LIMIT 1
        ) AS next_at
    FROM checkpoints AS c
    WHERE c.shard = ANY(%(shards)s::smallint[])
) AS reached
GROUP BY 1, 2"""
DRAFTS: Final = """
SELECT count(*) FILTER (WHERE lease_until >= now()) AS running,
    count(*) FILTER (WHERE lease_until < now()) AS orphaned
FROM drafts WHERE shard = ANY(%(shards)s::smallint[])"""

T = TypeVar("T")


class Shard(Struct, frozen=True, order=True):
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


class DraftCounts(Struct, frozen=True):
    """Replies that are under way."""

    running: int
    orphaned: int
    """Whose process has been silent for longer than its lease: another one is about to end them."""


class LaneStatus(Struct, frozen=True):
    """Shards that lie together; named by the first of them."""

    lane: int
    shards: list[int]
    is_reached: bool
    events: int = 0
    part: int | None = None
    """As the cluster numbers it, where there is one."""
    node: str | None = None


class LaneSight(Struct, frozen=True):
    shards: list[Shard]
    reached: list[BuildReached]
    parked: list[Parked]
    drafts: DraftCounts


def look_at_lanes(
    connection: Connection[Any], topology: Topology
) -> tuple[list[LaneStatus], list[LaneSight]]:
    """Every lane, and what those tell that can be reached."""
    places = {place.lane: place for place in topology.places(connection)}
    found, seen = list[LaneStatus](), list[LaneSight]()
    for shards in lanes(connection):
        lane = shards[0]
        place = places.get(lane)
        where = (place.part, place.node) if place else (None, None)
        try:
            sight = look_at(connection, lane, shards)
        except psycopg.Error as error:
            if not is_part_away(connection, error):
                raise
            found.append(LaneStatus(lane, shards, False, 0, *where))
        else:
            seen.append(sight)
            found.append(LaneStatus(lane, shards, True, sum(each.events for each in sight.shards), *where))
    return found, seen


def look_at(connection: Connection[Any], lane: int, shards: list[int]) -> LaneSight:
    given = {"shards": shards}
    heads = heads_of(connection, shards)
    (drafts,) = rows(connection, DraftCounts, DRAFTS, given)
    return LaneSight(
        [Shard(shard, lane, head) for shard, head in heads.items()],
        rows(connection, BuildReached, REACHED, given),
        parking.waiting(connection, shards),
        drafts,
    )


def together(reached: Iterable[BuildReached]) -> dict[tuple[str, int], BuildReached]:
    """How far each build has come over all lanes."""
    found: dict[tuple[str, int], BuildReached] = {}
    for each in reached:
        key = (each.projection, each.generation)
        found[key] = both(found[key], each) if key in found else each
    return found


def both(one: BuildReached, other: BuildReached) -> BuildReached:
    return BuildReached(
        one.projection,
        one.generation,
        one.in_step and other.in_step,
        one.applied + other.applied,
        one.behind + other.behind,
        min((each for each in (one.oldest, other.oldest) if each is not None), default=None),
    )


def rows(
    connection: Connection[Any], kind: type[T], query: str, given: dict[str, Any] | None = None
) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), given).fetchall()
