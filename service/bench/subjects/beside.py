"""Reads, while others export everything, search for a common word, and replay."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from service.bench.asking import Connection, getting
from service.bench.figures import TIMES, Figure, duration, quantile
from service.bench.logs import Loaded
from service.bench.measuring import one_by_one
from service.bench.messages import COMMON
from service.bench.place import Place
from service.bench.serving import COMMAND, Service, serving

EVENTS: Final = 200_000
READS: Final = 1_000
"""Of each kind, one after the other, in each round, with the others and without."""
QUICK: Final = 100
READ: Final = 100
"""So many conversations are read in turn."""
GOAL: Final = 2.0
REPLAYED: Final = ("history", "conversations")

Work = Callable[[], Awaitable[None]]


class ReplayFailed(Exception):
    """The replay ended with an error; the text is its last line."""


def run(place: Place, rounds: int) -> list[Figure]:
    log = place.built(min(place.events, EVENTS))
    with serving(place.folder / "beside", place.folder / "beside.log", "--dsn", log.dsn) as service:
        return asyncio.run(measure(place, service, log, rounds))


async def measure(place: Place, service: Service, log: Loaded, rounds: int) -> list[Figure]:
    number = QUICK if place.quick else READS
    quiet: dict[str, list[list[float]]] = defaultdict(list)
    busy: dict[str, list[list[float]]] = defaultdict(list)
    await read(service, log, READ)
    for each in range(rounds):
        for what, times in (await read(service, log, number)).items():
            quiet[what].append(times)
        async with going_on(exporting(service), searching(service, log), replaying(log)):
            for what, times in (await read(service, log, number)).items():
                busy[what].append(times)
        place.say(f"round {each + 1} is done")
    return [
        figure(f"{what}, {name}", busy[what], quiet[what], share)
        for what in quiet
        for name, share in (("half of them within", 0.5), ("all but a hundredth within", 0.99))
    ]


def figure(what: str, busy: list[list[float]], quiet: list[list[float]], share: float) -> Figure:
    pairs = [(quantile(one, share), quantile(other, share)) for one, other in zip(busy, quiet, strict=True)]
    ratio = median(one / other for one, other in pairs)
    ours, theirs = (duration(median(each)) for each in zip(*pairs, strict=True))
    return Figure(what, ours, theirs, ratio, f"within {GOAL:g}{TIMES}", ratio <= GOAL)


async def read(service: Service, log: Loaded, number: int) -> dict[str, list[float]]:
    """How long each took, over one connection."""
    connection = await Connection.to(service.url)
    talks = log.talks[:: max(1, len(log.talks) // READ)]
    requests = {
        "newest 50": [
            getting(f"/api/conversations/{talk.conversation_id}/messages", f"X-User-Id: {talk.user_id}")
            for talk in talks
        ],
        "list of 20": [getting("/api/conversations", f"X-User-Id: {talk.user_id}") for talk in talks],
    }
    try:
        return {
            what: sorted(await one_by_one(connection.ask, some(each, number)))
            for what, each in requests.items()
        }
    finally:
        await connection.close()


def some(requests: list[bytes], number: int) -> list[bytes]:
    turn = cycle(requests)
    return [next(turn) for _ in range(number)]


@asynccontextmanager
async def going_on(*works: Work) -> AsyncIterator[None]:
    """Each begins anew when it is done, for as long as this lasts."""

    async def again_and_again(work: Work) -> None:
        while True:
            await work()

    tasks = [asyncio.create_task(again_and_again(work)) for work in works]
    try:
        yield
    finally:
        failed = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if failed:
            raise RuntimeError("what was to go on meanwhile has ended")


def exporting(service: Service) -> Work:
    async def export() -> None:
        place = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(getting("/api/export", "Connection: close"))
            while await reader.read(1 << 20):
                pass
        finally:
            writer.close()

    return export


def searching(service: Service, log: Loaded) -> Work:
    users = cycle(sorted({talk.user_id for talk in log.talks}))

    async def search() -> None:
        connection = await Connection.to(service.url)
        try:
            for _ in range(100):
                await connection.ask(getting(f"/api/search?q={COMMON}", f"X-User-Id: {next(users)}"))
        finally:
            await connection.close()

    return search


def replaying(log: Loaded) -> Work:
    async def replay() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, "replay", *REPLAYED, "--dsn", log.dsn,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, said = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        if process.returncode:
            raise ReplayFailed(said.decode().strip().splitlines()[-1])

    return replay
