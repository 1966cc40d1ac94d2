"""Does something again and again, from many tasks or threads at once, and times each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from threading import Thread
from typing import Final, TypeVar

from service.bench.figures import Timing, timing

T = TypeVar("T")

WARM_UP: Final = 0.2
"""This part of the time comes before what counts."""
LONGEST: Final = 30.0


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
    """The same with threads. What hangs in one is given up, and does not hold up the end of the process."""
    clock = Clock(seconds)
    latencies: list[float] = []
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            while (started := time.perf_counter()) < clock.end and not errors:
                once(number)
                ended = time.perf_counter()
                if started >= clock.begin and ended <= clock.end:
                    latencies.append(ended - started)
        except Exception as error:
            errors.append(error)

    working = [Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(max(0.0, clock.end + LONGEST - time.perf_counter()))
        if thread.is_alive():
            raise TimeoutError(f"a thread did not end within {LONGEST:.0f} s of its time")
    if errors:
        raise errors[0]
    return timing(latencies, clock.seconds, each)


async def one_by_one(work: Callable[[T], Awaitable[object]], items: Iterable[T]) -> list[float]:
    """How long each of them took."""
    latencies = []
    for item in items:
        started = time.perf_counter()
        await work(item)
        latencies.append(time.perf_counter() - started)
    return latencies
