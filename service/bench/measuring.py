"""Does something again and again, from many tasks or threads at once, and times each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from service.bench.figures import Timing, timing

WARM_UP: Final = 0.2
"""This part of the time comes before what counts."""


class Clock:
    """When the warming up ends, and when the measuring does."""

    def __init__(self, seconds: float) -> None:
        self.begin = time.perf_counter() + seconds * WARM_UP
        self.end = self.begin + seconds
        self.seconds = seconds


async def at_once(
    tasks: int, seconds: float, once: Callable[[int], Awaitable[object]], each: int = 1
) -> Timing:
    """Each task is told its number, and does the next as soon as the one before is done."""
    clock = Clock(seconds)
    latencies: list[float] = []

    async def work(number: int) -> None:
        while (started := time.perf_counter()) < clock.end:
            await once(number)
            ended = time.perf_counter()
            if started >= clock.begin and ended <= clock.end:
                latencies.append(ended - started)

    async with asyncio.TaskGroup() as group:
        for number in range(tasks):
            group.create_task(work(number))
    return timing(latencies, clock.seconds, each)


def in_threads(threads: int, seconds: float, once: Callable[[int], object], each: int = 1) -> Timing:
    """The same with threads."""
    clock = Clock(seconds)

    def work(number: int) -> list[float]:
        latencies = []
        while (started := time.perf_counter()) < clock.end:
            once(number)
            ended = time.perf_counter()
            if started >= clock.begin and ended <= clock.end:
                latencies.append(ended - started)
        return latencies

    with ThreadPoolExecutor(threads) as pool:
        found = [latency for part in pool.map(work, range(threads)) for latency in part]
    return timing(found, clock.seconds, each)


async def one_by_one(works: Iterable[Callable[[], Awaitable[object]]]) -> list[float]:
    """How long each of these took."""
    latencies = []
    for work in works:
        started = time.perf_counter()
        await work()
        latencies.append(time.perf_counter() - started)
    return latencies
