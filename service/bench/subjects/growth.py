"""The same work on a large log and on a small one."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from projections import conversations, history
from service.bench.figures import Figure, slower
from service.bench.logs import Loaded, Talk
from service.bench.measuring import one_by_one
from service.bench.messages import message
from service.bench.place import Place
from service.commands import add_messages
from service.hansard import Hansard, running
from service.settings import Settings
from service.store.repository import Caller

SMALL: Final = 10_000
PAGE: Final = 50
LIST: Final = 20
GOAL: Final = 1.5


def run(place: Place, rounds: int) -> list[Figure]:
    logs = place.built(place.events), place.built(SMALL)
    return asyncio.run(measure(place, logs, rounds))


async def measure(place: Place, logs: tuple[Loaded, Loaded], rounds: int) -> list[Figure]:
    """Of either log, conversations all over it, so that what is read is seldom in memory already."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    times = 100 if place.quick else 500
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(running(Settings(), log.dsn)) for log in logs]
        for number in range(rounds):
            for log, hansard in zip(logs, services, strict=True):
                for what, work in works(hansard).items():
                    some = random.Random(number).choices(log.talks, k=times)  # noqa: S311 - the same ones each time
                    await one_by_one(work, some[: times // 10])  # to warm up
                    found[what, log.events].append(median(await one_by_one(work, some)))
            place.say(f"round {number + 1} is done")
    large, small = (log.events for log in logs)
    return [
        slower(f"{what}: of {large:,} messages; of {small:,}", found[what, large], found[what, small], GOAL)
        for what in works(services[0])
    ]


def works(hansard: Hansard) -> dict[str, Callable[[Talk], Awaitable[object]]]:
    store, views = hansard.store, hansard.views
    return {
        "append": lambda talk: add_messages(
            hansard.repository, Caller(talk.user_id), talk.conversation_id, [message(0)], ids_are_new=True
        ),
        f"newest {PAGE}": lambda talk: history.page(
            views["history"], store.shard_of(talk.user_id), talk.conversation_id, PAGE
        ),
        f"list of {LIST}": lambda talk: conversations.page(
            views["conversations"], store.shard_of(talk.user_id), talk.user_id, LIST
        ),
    }
