"""Does something again and again, from many tasks or threads at once, and times each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from threading import Thread
from typing import Final, TypeVar

from service.bench.figures import Timing, timing

T = TypeVar("T")
Work = Callable[[T], Awaitable[object]]

WARM_UP: Final = 0.2
"""This part of the time comes before what counts."""
LONGEST: Final = 30.0


class Clock:
    """When the warming up ends, and when the measuring does: not before something was done."""

    def __init__(self, seconds: float) -> None:
        self.begin = time.perf_counter() + seconds * WARM_UP
        self.end = self.begin + seconds
        self.latencies: list[float] = []

    def is_over_at(self, now: float) -> bool:
        return now >= self.end and bool(self.latencies)

    def count(self, started: float) -> None:
        """What was done from then until now. What is slower than all of the time makes the time longer."""
        ended = time.perf_counter()
        if started < self.begin:
            return
        if not self.latencies:
            self.end = max(self.end, ended)
        if ended <= self.end:
            self.latencies.append(ended - started)

    def timing(self, each: int) -> Timing:
        return timing(self.latencies, self.end - self.begin, each)


async def at_once(
    tasks: int, seconds: float, once: Callable[[int], Awaitable[object]], each: int = 1
) -> Timing:
    """Each task is told its number, and does the next as soon as the one before is done."""
    clock = Clock(seconds)

    async def work(number: int) -> None:
        while not clock.is_over_at(started := time.perf_counter()):
            await once(number)
            clock.count(started)

    async with asyncio.TaskGroup() as group:
        for number in range(tasks):
            group.create_task(work(number))
    return clock.timing(each)


def in_threads(threads: int, seconds: float, once: Callable[[int], object], each: int = 1) -> Timing:
    """The same with threads. What hangs in one is given up, and does not hold up the end of the process."""
    clock = Clock(seconds)
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            while not (clock.is_over_at(started := time.perf_counter()) or errors):
                once(number)
                clock.count(started)
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
    return clock.timing(each)


async def one_by_one(work: Work[T], items: Iterable[T]) -> list[float]:
    """How long each of them took."""
    return [await timed(work, item) for item in items]


async def by_turns(
    one: Work[T], ones: Sequence[T], other: Work[T], others: Sequence[T]
) -> tuple[list[float], list[float]]:
    """The same for two sides, of which each does one and then the other does one: so that what else the
    machine does meanwhile is done to both. The first tenth is to warm up."""
    pairs = [
        (await timed(one, first), await timed(other, second))
        for first, second in zip(ones, others, strict=True)
    ]
    counted = pairs[len(pairs) // 10 :]
    return [first for first, _ in counted], [second for _, second in counted]


async def timed(work: Work[T], item: T) -> float:
    started = time.perf_counter()
    await work(item)
    return time.perf_counter() - started
