"""What a message costs on this machine: measured on a sample, on which each thing is done once."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection

from projections.following.follower import Follower
from service.bench.commands import took
from service.bench.logs import build, fill, prepare
from service.bench.place import Place
from service.bench.planned import PlannedRecord
from service.bench.scale.processors import Processors, ProcessorTime
from service.bench.scale.sample import Sample
from service.bench.scale.sizes import TableSize, sizes
from service.commands import add_messages
from service.hansard import Hansard, projections_of, running
from service.settings.settings import Settings
from service.store.connections import Database, connect
from service.store.log import DatabaseLog
from service.store.repository import Caller
from service.store.store import Store
from service.verify.log import verify_log
from service.verify.sealing import seal_log

SAMPLE: Final = 100_000
APPENDS: Final = 10_000
TASKS: Final = 32
MARK: Final = """
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint"""
PLACES: Final = """
SELECT ((hashint2(shard::smallint)::bigint + 2147483648) / 4294967296.0)::float8
FROM generate_series(0, %(shards)s - 1) AS shard ORDER BY shard"""
"""Where Citus puts each shard, between 0 and 1: it distributes by this very function."""


class MeasuredWork(Struct, frozen=True):
    """What each of so many events or messages took."""

    rate: float
    """So many a second: on a machine that does other things, too, it is too low."""
    used: ProcessorTime
    """Seconds of a processor, which depend less on what else goes on."""


class AppendCost(Struct, frozen=True):
    """Of one message by itself, with all that follows it."""

    work: MeasuredWork
    wal: float
    """Bytes, with the images of pages that a checkpoint asks for."""
    transactions: float


class Costs(Struct, frozen=True):
    messages: int
    events: int
    tables: list[TableSize]
    append: AppendCost
    replay: MeasuredWork
    verify: MeasuredWork
    seal: MeasuredWork
    export: MeasuredWork
    imported: MeasuredWork
    file: int
    """Bytes of the export."""
    places: list[float]


def costs_of(place: Place, planned: PlannedRecord) -> Costs:
    projections = projections_of(Settings())
    with place.database() as dsn:
        prepare(dsn, projections)
        sample = Sample(planned, SAMPLE // 10 if place.quick else SAMPLE)
        with closing(Store(Database.open(dsn), [each for each in projections if each.with_append])) as store:
            store.start()
            asyncio.run(fill(store, sample.appends(store), place.say))
        database = Database.open(dsn)
        Follower(database.connect, DatabaseLog(), projections).run_once()
        place.say("search and usage have followed")
        with connect(dsn) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
            tables = sizes(connection)
            places = [each for (each,) in connection.execute(PLACES, {"shards": planned.shards})]
            count = APPENDS // 10 if place.quick else APPENDS
            append = asyncio.run(appending(connection, dsn, sample, count))
            place.say(f"appended, {append.work.rate:,.0f}/s")
            timer = Timer(place, Processors(connection))
            file = place.folder / "scale.jsonl"
            verify = timer.work("verified", lambda: verify_log(database).events)
            seal = timer.work("sealed", lambda: sealed(database))
            replay = timer.work("replayed", lambda: build(dsn, projections).events)
            export = timer.work("exported", lambda: export_to(file, dsn, sample.messages))
            imported = timer.work("imported", lambda: import_from(file, place, sample.messages))
            size = file.stat().st_size
            file.unlink()
    events = sample.messages + len(sample.talks)
    return Costs(
        sample.messages, events, tables, append, replay, verify, seal, export, imported, size, places
    )


class Timer:
    def __init__(self, place: Place, processors: Processors) -> None:
        self._place = place
        self._processors = processors

    def work(self, what: str, done: Callable[[], int]) -> MeasuredWork:
        """It gives back how many events or messages that were."""
        before, started = self._processors.used(), time.perf_counter()
        count = done()
        seconds = time.perf_counter() - started
        self._place.say(f"{what} {count:,}, {count / seconds:,.0f}/s")
        return MeasuredWork(count / seconds, (self._processors.used() - before) / count)


async def appending(connection: Connection[Any], dsn: str, sample: Sample, count: int) -> AppendCost:
    """Through the use case, to conversations all over the sample; until search and usage have it too."""
    processors = Processors(connection)
    chance = random.Random(2)  # noqa: S311 - the same ones each time
    left = iter(range(count))

    async def work(hansard: Hansard) -> None:
        for number in left:
            talk = chance.choice(sample.talks)
            said = [sample.message(number)]
            await add_messages(
                hansard.repository, Caller(talk.user_id), talk.conversation_id, said, ids_are_new=True
            )

    async with running(Settings(), dsn) as hansard:
        before, (wal, transaction), started = processors.used(), mark(connection), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(work(hansard))
        seconds = time.perf_counter() - started
        await asyncio.to_thread(hansard.follower.run_once)
        used, (wal_after, transaction_after) = processors.used() - before, mark(connection)
    return AppendCost(
        MeasuredWork(count / seconds, used / count),
        (wal_after - wal) / count,
        (transaction_after - transaction) / count,
    )


def mark(connection: Connection[Any]) -> tuple[int, int]:
    """Where the write-ahead log is, and the next transaction's number."""
    row = connection.execute(MARK).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return row[0], row[1]


def sealed(database: Database) -> int:
    with database.connect() as connection:
        return seal_log(connection, lambda progress: None).events


def export_to(file: Path, dsn: str, messages: int) -> int:
    took(messages, "export", "--dsn", dsn, "--out", str(file))
    return messages


def import_from(file: Path, place: Place, messages: int) -> int:
    with place.database() as empty:
        prepare(empty, projections_of(Settings()))
        took(messages, "import", "--dsn", empty, str(file))
    return messages
