"""The same work with thousands of idle listeners of `/api/changes`, and with none."""

import asyncio
import resource
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Final
from urllib.parse import urlsplit

import msgspec

from service.bench.asking import Connection, getting, posting
from service.bench.figures import Figure, slower
from service.bench.measuring import one_by_one
from service.bench.messages import content
from service.bench.place import Place
from service.bench.serving import Service, serving
from service.bench.subjects.memory import sized

LISTENERS: Final = 5_000
QUICK: Final = 500
OTHER_FILES: Final = 100
AT_ONCE: Final = 100
"""So many begin to listen at the same time."""
REQUESTS: Final = 400
"""Of each kind, in each round, with the listeners and without."""
GOAL: Final = 1.05
WRITER: Final = "X-User-Id: writer"
IDLE_FOR: Final = 30.0
"""Seconds: long enough for each of them to be told that there is nothing new."""


def run(place: Place, rounds: int) -> list[Figure]:
    number = listeners(place.quick)
    with serving(place.folder / "listened", place.folder / "listened.log") as service:
        return asyncio.run(measure(place, service, number, rounds))


def listeners(quick: bool) -> int:
    """As many as this process may have connections."""
    wanted = QUICK if quick else LISTENERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard - OTHER_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted + OTHER_FILES, hard)), hard))
    return wanted


async def measure(place: Place, service: Service, number: int, rounds: int) -> list[Figure]:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    shares, sizes = [], []
    seconds = 2.0 if place.quick else IDLE_FOR
    await timings(service)  # what is made by the first requests is there then
    for each in range(rounds):
        alone, share, size = await timings(service), await busy(service, seconds), sized(service).together
        async with listening(service, number):
            for what, crowded in (await timings(service)).items():
                found[what].append((crowded, alone[what]))
            shares.append(await busy(service, seconds) - share)
            sizes.append((sized(service).together - size) / number)
        place.say(f"round {each + 1} is done")
    return [
        *(
            slower(f"{what}: with {number:,} idle listeners; without", times, GOAL)
            for what, times in found.items()
        ),
        Figure(f"{number:,} idle listeners, to whom nothing happens", f"{median(shares):.1%} of a core"),
        Figure("memory of one of them", f"{median(sizes) / 1000:.0f} kB"),
    ]


async def busy(service: Service, seconds: float) -> float:
    """The share of a core that the service takes while nobody asks for anything."""
    before = processor_time(service)
    await asyncio.sleep(seconds)
    return (processor_time(service) - before) / seconds


def processor_time(service: Service) -> float:
    spent = [process.cpu_times() for process in service.processes()]
    return sum(each.user + each.system for each in spent)


async def timings(service: Service) -> dict[str, float]:
    """The median of each kind of request, over one connection."""
    connection = await Connection.to(service.url)
    try:
        made = msgspec.json.decode(await connection.ask(posting("/api/conversations", {}, WRITER)))
        path = f"/api/conversations/{made['id']}/messages"
        append = posting(path, {"role": "user", "content": content(1)}, WRITER)
        work = {"append": append, "newest 50": getting(f"{path}?limit=50", WRITER)}
        return {
            what: median(await one_by_one(connection.ask, [request] * REQUESTS))
            for what, request in work.items()
        }
    finally:
        await connection.close()


@asynccontextmanager
async def listening(service: Service, number: int) -> AsyncIterator[None]:
    """Each of them another user, spread over all shards."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for first in range(0, number, AT_ONCE):
            names = range(first, min(number, first + AT_ONCE))
            writers += await asyncio.gather(*(listener(service.url, name) for name in names))
        yield
    finally:
        for each in writers:
            each.close()
        await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)


async def listener(url: str, number: int) -> asyncio.StreamWriter:
    """Takes what it is told and throws it away."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(getting("/api/changes", f"X-User-Id: listener-{number}"))
    await reader.readuntil(b"event: watching")
    return writer
