"""All events of all conversations in one order: by their times, as far as clocks agree, and complete.

Every shard is read in the order of its positions, and a place in the feed is a position in each: so nothing
can slip in behind a reader, whichever clock was late. The shards are merged by time. Within one, an event
whose clock was behind comes with the one before it.

There is no index for what is asked, and no need of one: a user's events are in one shard, and for the rest
each look goes through a bounded number of rows and says how far it came.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.recorded import Recorded, Redacted
from service.audit.words import Redaction, in_words
from service.past import Pool, emptied, redactions, rows
from service.store.log import COLUMNS, HEADS, recorded

LOOKED_AT: Final = 20_000
"""Rows that one statement goes through where only some are wanted."""
LOOKS: Final = 10
"""Statements that one page takes at most, each with a connection for itself."""
PAGE_BYTES: Final = 4 * 1024 * 1024

Place = Mapping[int, int]
"""The last position that was seen of each shard."""

# `due` grows with the position: so whatever is taken by it is, of every shard, all up to some position. What
# is due later than the last row of a shard that was not looked through is left for the next time.
LOOK: Final = """
WITH looked AS (
    SELECT e.*, max(e.recorded_at) OVER (PARTITION BY e.shard ORDER BY e.position) AS due
    FROM unnest(%(shards)s::smallint[], %(after)s::bigint[], %(until)s::bigint[])
        AS given (shard, after, until)
    CROSS JOIN LATERAL (
        SELECT shard, position, recorded_at, octet_length(state) AS size, COALESCE(
            (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s))
            AND (%(user_id)s::text IS NULL OR user_id = %(user_id)s)
            AND (%(actor)s::text IS NULL OR actor = %(actor)s)
            AND (%(conversation_id)s::uuid IS NULL OR conversation_id = %(conversation_id)s)
            AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
            AND (%(before)s::timestamptz IS NULL OR recorded_at < %(before)s), false) AS wanted
        FROM events
        WHERE shard = given.shard AND position > given.after AND position <= given.until
        ORDER BY position LIMIT %(each)s) AS e
), horizon AS (
    SELECT min(due) AS due
    FROM (SELECT max(due) AS due FROM looked GROUP BY shard HAVING count(*) = %(each)s) AS not_at_their_ends
), counted AS (
    SELECT shard, position, looked.due, wanted,
        count(*) FILTER (WHERE wanted) OVER earlier AS found,
        COALESCE(sum(size) FILTER (WHERE wanted) OVER earlier, 0) AS bytes
    FROM looked, horizon
    WHERE horizon.due IS NULL OR looked.due <= horizon.due
    WINDOW earlier AS (
        ORDER BY looked.due, shard, position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT shard, max(position),
    array_agg(shard ORDER BY due, shard, position) FILTER (WHERE wanted),
    array_agg(position ORDER BY due, shard, position) FILTER (WHERE wanted)
FROM counted WHERE found < %(limit)s AND bytes < %(bytes)s
GROUP BY GROUPING SETS ((shard), ())"""
THESE: Final = f"""
SELECT {COLUMNS}
FROM unnest(%(shards)s::smallint[], %(positions)s::bigint[]) WITH ORDINALITY AS given (s, p, place)
CROSS JOIN LATERAL (SELECT * FROM events WHERE shard = given.s AND position = given.p) AS e
ORDER BY place"""  # noqa: S608


class Filter(Struct, frozen=True, kw_only=True):
    """Which events are wanted; None: whichever."""

    user_id: str | None = None
    topics: tuple[str, ...] | None = None
    actor: str | None = None
    conversation_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None


class Entry(Struct, frozen=True):
    recorded: Recorded
    words: str
    redaction: Redaction | None


class Page(Struct, frozen=True):
    entries: Sequence[Entry]
    place: Place
    ended: bool


class Feed:
    """Of some shards, up to where they ended when it was asked for."""

    def __init__(self, pool: Pool, wanted: Filter, until: Place) -> None:
        self._pool = pool
        self._wanted = wanted
        self._until = until

    async def page(self, place: Place, limit: int) -> Page:
        """May hold less than the limit, even nothing, before the end: it has then come as far as it may in
        one go."""
        entries: list[Entry] = []
        for _ in range(LOOKS):
            if self.ends_at(place) or len(entries) >= limit:
                break
            found, place = await self._look(place, limit - len(entries))
            entries += found
            if sum(map(size, found)) >= PAGE_BYTES // 2:
                break
        return Page(entries, place, self.ends_at(place))

    async def pages(self, place: Place, limit: int) -> AsyncIterator[Page]:
        """To the end; no connection is held between one and the next."""
        page = await self.page(place, limit)
        yield page
        while not page.ended:
            page = await self.page(page.place, limit)
            yield page

    def ends_at(self, place: Place) -> bool:
        return all(place[shard] >= until for shard, until in self._until.items())

    async def _look(self, place: Place, limit: int) -> tuple[list[Entry], Place]:
        looked_at = 2 * limit if self._wanted == Filter() else max(2 * limit, LOOKED_AT)
        left = [shard for shard, until in self._until.items() if place[shard] < until]
        wanted = self._wanted
        given = {
            "shards": left,
            "after": [place[shard] for shard in left],
            "until": [self._until[shard] for shard in left],
            "each": looked_at // len(left) + 1,
            "limit": limit,
            "bytes": PAGE_BYTES,
            "topics": None if wanted.topics is None else list(wanted.topics),
            "user_id": wanted.user_id,
            "actor": wanted.actor,
            "conversation_id": wanted.conversation_id,
            "since": wanted.since,
            "before": wanted.before,
        }
        async with self._pool.connection() as connection:
            looked = await rows(connection, LOOK, given)
            reached = {shard: position for shard, position, _, _ in looked if shard is not None}
            these = next(row for row in looked if row[0] is None)
            found = []
            if these[2]:
                at = {"shards": these[2], "positions": these[3]}
                found = [recorded(row) for row in await rows(connection, THESE, at)]
            why = await redactions(connection, found)
        entries = [entry(each, why[each.shard, each.conversation_id]) for each in found]
        return entries, {**place, **reached}


def entry(recorded: Recorded, redaction: Redaction) -> Entry:
    recorded = emptied(recorded, redaction == "erased")
    empty = isinstance(recorded.event, Redacted)
    return Entry(recorded, in_words(recorded, None, redaction), redaction if empty else None)


def size(entry: Entry) -> int:
    """About how long it is: what is long is what was said."""
    return len(getattr(entry.recorded.event, "content", ""))


async def ends_of(pool: Pool, only: int | None = None) -> dict[int, int]:
    """Where each shard ends now, or one of them."""
    async with pool.connection() as connection:
        ends: dict[int, Any] = dict(await rows(connection, HEADS, {}))
    return ends if only is None else {only: ends[only]}
