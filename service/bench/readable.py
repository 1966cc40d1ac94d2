"""How long after an acknowledgement another process can read an append, and whether it ever cannot."""

import asyncio
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.events import ConversationStarted
from projections.reading.view import Query
from service.bench.figures import Timing, timing
from service.bench.logs import Talk, asked
from service.bench.messages import message
from service.bench.processes import WorkFailed, end, heard
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.ids import new_id

TALKS: Final = 50
LONGEST_START: Final = 60.0
LONGEST_READ: Final = 30.0


class SeenPosition(Struct, frozen=True):
    position: int


THERE: Final = """
SELECT position FROM {table}
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s
    AND position BETWEEN %(first)s AND %(last)s"""
QUERIES: Final = {
    "history": Query(SeenPosition, THERE.replace("table", "history"), "position"),
    "search": Query(SeenPosition, THERE.replace("table", "search"), "position"),
}


class Acknowledged(Struct, frozen=True, array_like=True):
    shard: int
    conversation_id: UUID
    position: int
    at: float


class Readable(Struct, frozen=True):
    delay: Timing
    missed: int
    appended: float
    """So many a second."""


def readable(dsn: str, projection: str, seconds: float, rate: int) -> Readable:
    """Appends at an even pace here, and reads each append over there as soon as that is told of it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=read_along, args=(dsn, projection, theirs))
    process.start()
    theirs.close()
    try:
        heard(ours, LONGEST_START)
        count, taken = asyncio.run(append_along(dsn, ours, seconds, rate))
        delays, missed = heard(ours, LONGEST_READ)
        return Readable(timing(delays, taken), missed, count / taken)
    finally:
        end(process)


async def append_along(dsn: str, pipe: Pipe, seconds: float, rate: int) -> tuple[int, float]:
    async with running(Settings(), dsn) as hansard, asyncio.TaskGroup() as group:
        talks = [Talk(f"reader-{number}", new_id()) for number in range(TALKS)]
        for talk in talks:
            await hansard.store.append(asked(hansard.store, talk, [ConversationStarted()]))
        started = time.monotonic()
        tasks = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            tasks.append(group.create_task(tell(hansard, talks[number % TALKS], number, pipe)))
        await asyncio.gather(*tasks)
        taken = time.monotonic() - started
        with suppress(BrokenPipeError):
            pipe.send(None)
        return len(tasks), taken


async def tell(hansard: Hansard, talk: Talk, number: int, pipe: Pipe) -> None:
    append = asked(hansard.store, talk, [message(number)])
    appended = await hansard.store.append(append)
    with suppress(BrokenPipeError):  # who read has failed, and has said why
        # The time is of a clock that all processes of a machine share.
        told = Acknowledged(append.shard, talk.conversation_id, appended.position, time.monotonic())
        pipe.send(told)


def read_along(dsn: str, projection: str, pipe: Pipe) -> None:
    try:
        pipe.send(asyncio.run(reading_along(dsn, projection, pipe)))
    except Exception as error:
        pipe.send(WorkFailed(f"{type(error).__name__}: {error}"))


async def reading_along(dsn: str, projection: str, pipe: Pipe) -> tuple[list[float], int]:
    """Everything that was told meanwhile is looked for at once: one read a conversation."""
    delays: list[float] = []
    missed = 0
    async with running(Settings(), dsn) as hansard:
        pipe.send("ready")
        going_on = True
        while going_on:
            told, going_on = await asyncio.to_thread(told_by, pipe)
            by_talk: dict[UUID, list[Acknowledged]] = defaultdict(list)
            for each in told:
                by_talk[each.conversation_id].append(each)
            missing = await asyncio.gather(
                *(look(hansard, projection, wanted, delays) for wanted in by_talk.values())
            )
            missed += sum(missing)
    return delays, missed


async def look(hansard: Hansard, projection: str, wanted: Sequence[Acknowledged], delays: list[float]) -> int:
    """Gives back how many of them were not there."""
    positions = {each.position for each in wanted}
    one = wanted[0]
    given = {"first": min(positions), "last": max(positions)}
    found = await hansard.views[projection].rows(QUERIES[projection], one.shard, one.conversation_id, **given)
    now = time.monotonic()
    delays += [now - each.at for each in wanted]
    return len(positions - {each.position for each in found})


def told_by(pipe: Pipe) -> tuple[list[Acknowledged], bool]:
    """What came since the last time, at least one; and whether more will come."""
    told: list[Acknowledged] = []
    while not told or pipe.poll():
        each = pipe.recv()
        if each is None:
            return told, False
        told.append(each)
    return told, True
