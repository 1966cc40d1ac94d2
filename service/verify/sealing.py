"""Reads the log for a seal, and tells where it is not what was sealed; the service goes on meanwhile."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.errors import Refusal
from projections.rebuilding.progress import Meter, Report
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.migrations import DatabaseNotMigrated
from service.verify.faults import MOST_LISTED, Fault, Faults, missing
from service.verify.seal import MARK, Seal, SealedShard, every_for, mark_of
from service.verify.shard import Count, Verified

DIGEST: Final = 32
PAGE: Final = 8_192
MOST_NAMED: Final = 4
"""Conversations of which one may be what differs."""

MADE_AT: Final = "SELECT min(applied_at) FROM migrations"
BLOCKS: Final = """
SELECT (position - 1) / %(every)s, string_agg(digest, ''::bytea ORDER BY position) FROM events
WHERE shard = %(shard)s AND position > %(after)s AND position <= %(until)s AND octet_length(digest) = 32
GROUP BY 1"""
THERE: Final = """
SELECT conversation_id, min(version), max(version) FROM events
WHERE shard = %(shard)s AND position BETWEEN %(first)s AND %(last)s
GROUP BY conversation_id ORDER BY min(position) LIMIT %(limit)s"""


class LogHasHoles(Refusal):
    """In shard {shard} something is missing among positions {first} to {last}, and what is broken is not
    sealed; `hansard verify` names what is wrong."""


class Digested(Struct, frozen=True):
    digest: str
    marks: bytes


def seal_log(connection: Connection[Any], report: Report) -> Seal:
    """Each shard up to where it ended when this began. Positions have no gaps and nothing before them
    changes, so that reading them may take as long as it likes."""
    meter = Meter(report)
    sealed_at = datetime.now(UTC)
    heads = DatabaseLog().heads(connection)
    meter.begin("sealing the log", sum(heads.values()))
    shards = []
    for shard, events in heads.items():
        every = every_for(events, len(heads))
        found = digested(whole(blocks(connection, shard, every, events), shard, every, events), meter.count)
        shards.append(SealedShard(shard, events, found.digest, every, found.marks.hex()))
    return Seal(
        sealed_at=sealed_at,
        log_made_at=made_at(connection),
        events=sum(heads.values()),
        shards=tuple(shards),
    )


def verify_seal(database: Database, seal: Seal, report: Report) -> Verified:
    """Whether everything that was sealed is there as it was."""
    meter, faults = Meter(report), Faults()
    with database.connect("hansard verify") as connection:
        heads = DatabaseLog().heads(connection)
        meter.begin("comparing with the seal", seal.events)
        same = 0
        if len(heads) != len(seal.shards):
            faults.add(Fault(f"the log has {len(heads)} shards, but {len(seal.shards)} were sealed"))
        for sealed in seal.shards:
            compared = Comparison(connection, sealed, heads.get(sealed.shard, 0), faults)
            same += compared.run(meter.count)
        if faults.total and seal.events and not same:
            faults.listed.insert(0, Fault(nothing_is_the_same(seal, made_at(connection))))
            faults.total += 1
    return Verified(seal.events, 0, tuple(faults.listed[:MOST_LISTED]), faults.total)


def nothing_is_the_same(seal: Seal, made: datetime) -> str:
    if made == seal.log_made_at:
        return "nothing of what was sealed is here: all of it was replaced"
    ours, sealed = (f"{time:%Y-%m-%d %H:%M:%S}" for time in (made, seal.log_made_at))
    return f"nothing of what was sealed is here: this log was made at {ours}, the sealed one at {sealed}"


class Comparison:
    """One shard, with what was sealed of it."""

    def __init__(self, connection: Connection[Any], sealed: SealedShard, head: int, faults: Faults) -> None:
        self._connection = connection
        self._sealed = sealed
        self._cut_off = head < sealed.events
        self._there = min(head, sealed.events)
        self._faults = faults

    def run(self, count: Count) -> int:
        """Gives back how many marks are the same, or may be."""
        sealed = self._sealed
        found = digested(blocks(self._connection, sealed.shard, sealed.every, self._there), count)
        before, now = marks_of(bytes.fromhex(sealed.marks)), marks_of(found.marks)
        in_the_middle = self._cut_off and self._there % sealed.every > 0
        if in_the_middle:
            now.pop()  # of fewer events than the one in the seal
        differing = [at for at, (one, other) in enumerate(zip(before, now, strict=False)) if one != other]
        for first, last in stretches(differing):
            self._tell_stretch(first * sealed.every + 1, min((last + 1) * sealed.every, sealed.events))
        if self._cut_off:
            gone = missing("position", self._there + 1, sealed.events)
            self._tell(f"{gone}: the log was longer when it was sealed", self._there + 1)
        elif found.digest != sealed.digest and not differing:
            self._tell("the digest of all that was sealed differs, though that of no part does", 1)
        return len(now) - len(differing) + in_the_middle

    def _tell_stretch(self, first: int, last: int) -> None:
        given = {"shard": self._sealed.shard, "first": first, "last": last, "limit": MOST_NAMED + 1}
        there = [There(*row) for row in self._connection.execute(THERE, given)]
        if first < last:
            what = f"positions {first} to {last} do not hold the events that were sealed"
        else:
            what = (
                "this is not the event that was sealed here" if there else "what was sealed here is missing"
            )
        if len(there) == 1:
            self._tell(what, first, there[0])
        else:
            self._tell(what + "".join(f"; {each}" for each in there[:MOST_NAMED]), first)

    def _tell(self, what: str, position: int, where: "There | None" = None) -> None:
        conversation_id, version = (where.conversation_id, where.first) if where else (None, None)
        self._faults.add(Fault(what, self._sealed.shard, conversation_id, version, position))


class There(Struct, frozen=True):
    """What now lies where something else was sealed."""

    conversation_id: UUID
    first: int
    last: int

    def __str__(self) -> str:
        if self.first == self.last:
            return f"version {self.first} of conversation {self.conversation_id} is there"
        return f"versions {self.first} to {self.last} of conversation {self.conversation_id} are there"


def digested(blocks: Iterable[bytes], count: Count) -> Digested:
    together, marks = sha256(), bytearray()
    for block in blocks:
        together.update(block)
        marks += mark_of(block)
        count(len(block) // DIGEST)
    return Digested(together.hexdigest(), bytes(marks))


def whole(blocks: Iterable[bytes], shard: int, every: int, events: int) -> Iterator[bytes]:
    """The same, as long as nothing is missing."""
    for after, block in zip(range(0, events, every), blocks, strict=True):
        last = min(after + every, events)
        if len(block) != (last - after) * DIGEST:
            raise LogHasHoles(shard=shard, first=after + 1, last=last)
        yield block


def blocks(connection: Connection[Any], shard: int, every: int, events: int) -> Iterator[bytes]:
    """The digests of so many positions at a time; those of events that are missing are left out."""
    page = every * max(1, PAGE // every)
    cursor = connection.cursor(binary=True)
    for after in range(0, events, page):
        until = min(after + page, events)
        given = {"shard": shard, "every": every, "after": after, "until": until}
        found = dict(cursor.execute(BLOCKS, given).fetchall())
        for block in range(after // every, -(-until // every)):
            yield found.get(block, b"")


def marks_of(marks: bytes) -> list[bytes]:
    return [marks[at : at + MARK] for at in range(0, len(marks), MARK)]


def stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Those that follow each other, as the first and the last of them."""
    first: int | None = None
    last = 0
    for number in numbers:
        if first is not None and number != last + 1:
            yield first, last
            first = None
        first, last = number if first is None else first, number
    if first is not None:
        yield first, last


def made_at(connection: Connection[Any]) -> datetime:
    row = connection.execute(MADE_AT).fetchone()
    if row is None or not isinstance(row[0], datetime):
        raise DatabaseNotMigrated
    return row[0].astimezone(UTC)
