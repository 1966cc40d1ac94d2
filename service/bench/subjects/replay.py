"""Projections built anew from the whole log, idle and under load."""

import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct
from psycopg import sql

from domain.events import ConversationStarted
from projections import conversations, history
from projections.generations import live
from projections.reading.view import Query
from service.bench.figures import TIMES, Figure, duration, megabytes, rates
from service.bench.logs import Loaded, Talk, asked, build
from service.bench.messages import message
from service.bench.place import Place
from service.bench.processes import Apart, apart
from service.hansard import Hansard, projections_of, running
from service.settings.settings import Settings
from service.store.connections import Database
from service.store.ids import new_id

TWO: Final = ("history", "conversations")
ALL: Final = ("history", "conversations", "search", "usage")
WRITERS: Final = 4
MEMORY: Final = 300_000_000


class Done(Struct, frozen=True):
    events: int
    seconds: float
    locked: float


def run(place: Place, rounds: int) -> list[Figure]:
    log = place.log(place.events)
    two, raw, four = list[Apart[Done]](), list[float](), list[Apart[Done]]()
    for number in range(rounds):
        two.append(measured := apart(replay, log.dsn, TWO))
        raw.append(copy(log.dsn))
        four.append(every := apart(replay, log.dsn, ALL))
        place.say(
            f"round {number + 1}: two projections {speed(measured)}, raw {rates(raw[-1:])}, "
            f"all four {speed(every)}"
        )
    loaded = asyncio.run(under_load(log))
    return [*figures(log, two, raw, four), loaded]


def figures(log: Loaded, two: list[Apart[Done]], raw: list[float], four: list[Apart[Done]]) -> list[Figure]:
    ours, every = ([each.result.events / each.result.seconds for each in found] for found in (two, four))
    ratio = median(one / other for one, other in zip(ours, raw, strict=True))
    largest, together = (
        max(getattr(each, name) for each in (*two, *four)) for name in ("largest", "together")
    )
    return [
        Figure(
            f"{log.events:,} messages: history and conversations; raw: CREATE TABLE AS, primary key",
            rates(ours),
            rates(raw),
            ratio,
            f"at least 0.4{TIMES}",
            ratio >= 0.4,
        ),
        Figure("the same by itself", rates(ours), goal="at least 40,000/s", reached=median(ours) >= 40_000),
        Figure(
            "all four projections", rates(every), goal="at least 15,000/s", reached=median(every) >= 15_000
        ),
        Figure(
            "memory of a replay",
            f"{megabytes(together)} in all processes, {megabytes(largest)} in the first",
            goal=f"under {megabytes(MEMORY)}",
            reached=together < MEMORY,
        ),
    ]


def replay(dsn: str, names: Sequence[str]) -> Done:
    rebuilt = build(dsn, tuple(each for each in projections_of(Settings()) if each.name in names))
    return Done(rebuilt.events, rebuilt.seconds, rebuilt.locked)


def speed(measured: Apart[Done]) -> str:
    return rates([measured.result.events / measured.result.seconds])


def copy(dsn: str) -> float:
    """The rows of history and conversations once more, each with its primary key; in events a second."""
    with Database.open(dsn).connect() as connection:
        connection.execute("SET maintenance_work_mem = '256MB'")  # as a replay does
        tables = [
            (table, generation.number)
            for projection in (history.History(), conversations.Conversations())
            if (generation := live(connection, projection))
            for table in projection.tables
        ]
        row = connection.execute("SELECT count(*) FROM events").fetchone()
        started = time.perf_counter()
        for table, number in tables:
            name = sql.Identifier(f"raw_{table.name}")
            connection.execute(
                sql.SQL("CREATE TABLE {} AS SELECT * FROM {}").format(name, table.physical(number))
            )
            key = sql.SQL(", ").join(map(sql.Identifier, table.key))
            connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(name, key))
        seconds = time.perf_counter() - started
        for table, _ in tables:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(f"raw_{table.name}")))
        return (row[0] if row else 0) / seconds


class Count(Struct, frozen=True):
    messages: int


COUNT: Final = Query(
    Count,
    """
SELECT count(*) FROM {history} WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s""",
    "count",
)


class ReplayLoad:
    """What is written and read while projections are built anew."""

    def __init__(self, hansard: Hansard) -> None:
        self.store = hansard.store
        self.view = hansard.views["history"]
        self.talks = [Talk(f"writer-{number}", new_id()) for number in range(WRITERS)]
        self.versions = [1] * WRITERS
        self.reads = 0
        self.longest = 0.0
        self.going_on = True

    async def start(self) -> None:
        for talk in self.talks:
            await self.store.append(asked(self.store, talk, [ConversationStarted()]))

    async def write(self, number: int) -> None:
        while self.going_on:
            started = time.perf_counter()
            append = asked(self.store, self.talks[number], [message(self.versions[number])])
            self.versions[number] = (await self.store.append(append)).version
            self.longest = max(self.longest, time.perf_counter() - started)

    async def read(self) -> None:
        """A read that fails ends the measurement, and so does one that misses what was acknowledged."""
        while self.going_on:
            for number, talk in enumerate(self.talks):
                before = self.versions[number]
                shard = self.store.shard_of(talk.user_id)
                page = await history.page(self.view, shard, talk.conversation_id, 1)
                if (page[-1].version if page else 1) < before:
                    raise AssertionError(f"a read missed version {before}, which was acknowledged")
                self.reads += 1

    async def missed(self) -> int:
        """How many of the messages that were acknowledged are not there."""
        missed = 0
        for number, talk in enumerate(self.talks):
            found = await self.view.row(COUNT, self.store.shard_of(talk.user_id), talk.conversation_id)
            missed += self.versions[number] - 1 - (found.messages if found else 0)
        return missed


async def under_load(log: Loaded) -> Figure:
    async with running(Settings(), log.dsn) as hansard:
        load = ReplayLoad(hansard)
        await load.start()
        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(load.write(number))
            group.create_task(load.read())
            try:
                done = (await asyncio.to_thread(apart, replay, log.dsn, ALL)).result
            finally:
                load.going_on = False
        missed = await load.missed()
    return Figure(
        f"all four, while {WRITERS} writers append and one reads",
        f"{done.events / done.seconds:,.0f}/s; {sum(load.versions) - WRITERS:,} appends, {missed} missed; "
        f"{load.reads:,} reads, 0 failed; the longest append took {duration(load.longest)}",
        goal="0 missed, 0 failed",
        reached=not missed,
    )
