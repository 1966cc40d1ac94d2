"""One user's words among those of all users."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

from projections.search import find
from service.bench.figures import Figure, duration, quantile
from service.bench.logs import Loaded, Talk
from service.bench.measuring import one_by_one
from service.bench.messages import COMMON, rare
from service.bench.place import Place
from service.hansard import Hansard, running
from service.settings.settings import Settings

LIMIT: Final = 20
GOAL: Final = 0.01


def run(place: Place, rounds: int) -> list[Figure]:
    log = place.built(place.events)
    return asyncio.run(measure(place, log, rounds))


async def measure(place: Place, log: Loaded, rounds: int) -> list[Figure]:
    found: dict[str, list[list[float]]] = defaultdict(list)
    async with running(Settings(), log.dsn) as hansard:
        for number in range(rounds):
            for what, work in works(hansard, log).items():
                some = some_of(log.talks, 100 if place.quick else 500)
                await one_by_one(work, some[:10])  # to warm up
                found[what].append(sorted(await one_by_one(work, some)))
                place.say(f"round {number + 1}, {what}: p50 {duration(quantile(found[what][-1], 0.5))}")
    return [
        figure(f"{what}, {log.events:,} messages of {log.shape.users:,} users", found[what]) for what in found
    ]


def works(hansard: Hansard, log: Loaded) -> dict[str, Callable[[int], Awaitable[object]]]:
    def search(number: int, text: str) -> Awaitable[object]:
        user_id = log.talks[number].user_id
        shard = hansard.store.shard_of(user_id)
        return find(hansard.views["search"], Settings().search_language, shard, user_id, text, LIMIT)

    each = log.shape.messages * 10
    return {
        "a rare word": lambda number: search(number, rare(log.number_of(number))),
        f"a word of nearly all {each:,} of the user's": lambda number: search(number, COMMON),
    }


def some_of(talks: list[Talk], count: int) -> list[int]:
    return random.Random(1).choices(range(len(talks)), k=count)  # noqa: S311 - the same ones each time


def figure(what: str, found: list[list[float]]) -> Figure:
    p50, p99 = (median(quantile(each, share) for each in found) for share in (0.5, 0.99))
    return Figure(
        what,
        f"p50 {duration(p50)}, p99 {duration(p99)}",
        goal=f"p50 under {duration(GOAL)}",
        reached=p50 < GOAL,
    )
