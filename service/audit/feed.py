"""All events of all conversations in one order: by their times, as far as clocks agree, and complete.

Every shard is read in the order of its positions, and a place in the feed is a position in each: so nothing
can slip in behind a reader, whichever clock was late. The shards are merged by time. Within one, an event
whose clock was behind comes with the one before it.

There is no index for what is asked, and no need of one: a user's events are in one shard, and for the rest
each look goes through a bounded number of rows and says how far it came.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from heapq import merge
from itertools import chain
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct, structs

from domain.recorded import Recorded, Redacted
from service.audit.words import Redaction, in_words
from service.store.layout import LANES
from service.store.log import COLUMNS, HEADS, by_shard, recorded
from service.store.past import Pool, emptied, redactions, rows

LOOKED_AT: Final = 20_000
"""Rows that one statement goes through where only some are wanted."""
LOOKS: Final = 10
"""Statements that one page takes at most, each with a connection for itself."""
FEWEST: Final = 16
"""Rows of one shard that a look goes through at least."""
PAGE_BYTES: Final = 4 * 1024 * 1024

Place = Mapping[int, int]
"""The last position that was seen of each shard."""

# The last row that was looked at comes too, wanted or not: it says how far the look came.
LOOK: Final = """
SELECT shard, position, due, wanted, size
FROM (
    SELECT e.*, max(e.recorded_at) OVER (PARTITION BY e.shard ORDER BY e.position) AS due,
        e.position = max(e.position) OVER (PARTITION BY e.shard) AS last
    FROM lanes AS l
    CROSS JOIN LATERAL (
        SELECT shard, position, recorded_at, COALESCE(octet_length(state), 0) AS size, COALESCE(
            (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s))
            AND (%(user_id)s::text IS NULL OR user_id = %(user_id)s)
            AND (%(actor)s::text IS NULL OR actor = %(actor)s)
            AND (%(conversation_id)s::uuid IS NULL OR conversation_id = %(conversation_id)s)
            AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
            AND (%(before)s::timestamptz IS NULL OR recorded_at < %(before)s), false) AS wanted
        FROM events
        WHERE shard = l.shard AND shard = ANY(%(shards)s::smallint[])
            AND position > (%(after)s::bigint[])[l.shard + 1]
            AND position <= (%(until)s::bigint[])[l.shard + 1]
        ORDER BY position LIMIT %(each)s) AS e
    WHERE l.shard = ANY(%(shards)s::smallint[])
) AS looked
WHERE wanted OR last
ORDER BY shard, position"""
THESE: Final = f"""
SELECT {COLUMNS}
FROM unnest(%(shards)s::smallint[], %(positions)s::bigint[]) WITH ORDINALITY AS given (s, p, place)
JOIN events AS e ON e.shard = given.s AND e.position = given.p
WHERE e.shard = ANY(%(shards)s::smallint[])
ORDER BY place"""  # noqa: S608


class Filter(Struct, frozen=True, kw_only=True):
    """Which events are wanted; None: whichever."""

    user_id: str | None = None
    topics: list[str] | None = None
    actor: str | None = None
    conversation_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None


class FeedEntry(Struct, frozen=True):
    recorded: Recorded
    words: str
    redaction: Redaction | None


class FeedPage(Struct, frozen=True):
    entries: Sequence[FeedEntry]
    place: Place
    ended: bool


class DueEvent(NamedTuple):
    """An event that is wanted, in the order in which it is due: its shard has come to that time with it."""

    due: datetime
    shard: int
    position: int
    size: int


class Ahead:
    """What was looked at of one shard and not given yet."""

    def __init__(self, reached: int, until: int) -> None:
        self.found: deque[DueEvent] = deque()
        self._reached = reached
        self._until = until
        self.due = datetime.min.replace(tzinfo=UTC)

    @property
    def place(self) -> int:
        """Everything that is wanted up to here was given."""
        return self.found[0].position - 1 if self.found else self._reached

    @property
    def to_look_at(self) -> tuple[int, int]:
        return self._reached, self._until

    @property
    def ended(self) -> bool:
        return self._reached >= self._until

    def take(self, shard: int, position: int, due: datetime, wanted: bool, size: int) -> None:
        self._reached, self.due = position, max(due, self.due)
        if wanted:
            self.found.append(DueEvent(self.due, shard, position, size))


class Feed:
    """Of some shards, from a place in each to where they ended when it was asked for."""

    def __init__(self, pool: Pool, wanted: Filter, place: Place, until: Place) -> None:
        self._pool = pool
        self._wanted = wanted
        self._ahead = {shard: Ahead(place[shard], end) for shard, end in until.items()}

    async def page(self, limit: int) -> FeedPage:
        """May hold less than the limit, even nothing, before the end: it has then come as far as it may in
        one go."""
        due, size = list[DueEvent](), 0
        for look in range(LOOKS + 1):
            for found in self._due():
                if len(due) >= limit or size >= PAGE_BYTES:
                    break
                self._ahead[found.shard].found.popleft()
                due.append(found)
                size += found.size
            if self._ended or len(due) >= limit or size >= PAGE_BYTES or look == LOOKS:
                break
            await self._look(limit)
        place = {shard: ahead.place for shard, ahead in self._ahead.items()}
        return FeedPage(await self._read(due), place, self._ended)

    async def pages(self, limit: int) -> AsyncIterator[FeedPage]:
        """To the end; no connection is held between one and the next."""
        ended = False
        while not ended:
            page = await self.page(limit)
            ended = page.ended
            yield page

    @property
    def _ended(self) -> bool:
        return all(ahead.ended and not ahead.found for ahead in self._ahead.values())

    def _due(self) -> Iterator[DueEvent]:
        """What comes next for certain: nothing that was not looked at yet can be due before it."""
        horizon = min((ahead.due for ahead in self._ahead.values() if not ahead.ended), default=None)
        for found in merge(*(list(ahead.found) for ahead in self._ahead.values())):
            if horizon is not None and found.due > horizon:
                return
            yield found

    async def _look(self, limit: int) -> None:
        """On, where nothing is known to come, and where the others wait for it."""
        left = {shard: ahead for shard, ahead in self._ahead.items() if not ahead.ended}
        horizon = min((ahead.due for ahead in left.values()), default=None)
        here = {shard: ahead for shard, ahead in left.items() if not ahead.found or ahead.due == horizon}
        if not here:
            return
        rows_at_once = 4 * limit if self._wanted == Filter() else LOOKED_AT
        given = structs.asdict(self._wanted) | {
            "shards": list(here),
            "after": by_shard({shard: ahead.to_look_at[0] for shard, ahead in here.items()}),
            "until": by_shard({shard: ahead.to_look_at[1] for shard, ahead in here.items()}),
            "each": max(FEWEST, rows_at_once // len(here)),
        }
        async with self._pool.connection() as connection:
            looked = await rows(connection, LOOK, given)
        for row in looked:
            here[row[0]].take(*row)

    async def _read(self, due: Sequence[DueEvent]) -> list[FeedEntry]:
        if not due:
            return []
        given = {"shards": [each.shard for each in due], "positions": [each.position for each in due]}
        async with self._pool.connection() as connection:
            found = [recorded(row) for row in await rows(connection, THESE, given)]
            why = await redactions(connection, found)
        return [entry(each, why[each.shard, each.conversation_id]) for each in found]


def entry(recorded: Recorded, redaction: Redaction) -> FeedEntry:
    recorded = emptied(recorded, redaction == "erased")
    empty = isinstance(recorded.event, Redacted)
    return FeedEntry(recorded, in_words(recorded, None, redaction), redaction if empty else None)


async def ends_of(pool: Pool, only: int | None = None) -> dict[int, int]:
    """Where each shard ends now, or one of them."""
    async with pool.connection() as connection:
        lanes = [[only]] if only is not None else [shards for (shards,) in await rows(connection, LANES, {})]
        ends = [await rows(connection, HEADS, {"shards": lane}) for lane in lanes]
    return dict(chain(*ends))
