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
from service.bench.measuring import by_turns
from service.bench.messages import message
from service.bench.place import Place
from service.commands import add_messages
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.repository import Caller

SMALL: Final = 10_000
PAGE: Final = 50
LIST: Final = 20
GOAL: Final = 1.5


def run(place: Place, rounds: int) -> list[Figure]:
    logs = place.built(place.events), place.built(SMALL)
    return asyncio.run(measure(place, logs, rounds))


async def measure(place: Place, logs: tuple[Loaded, Loaded], rounds: int) -> list[Figure]:
    """Of either log, each conversation once, all over it, and by a process that knows none of them yet."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    times = min(100 if place.quick else 200, *(len(log.talks) for log in logs))
    for number in range(rounds):
        chance = random.Random(number)  # noqa: S311 - the same ones each time
        some, others = (chance.sample(log.talks, times) for log in logs)
        async with AsyncExitStack() as stack:
            large, small = [
                works(await stack.enter_async_context(running(Settings(), log.dsn))) for log in logs
            ]
            for what in large:
                one, other = await by_turns(large[what], some, small[what], others)
                found[what].append((median(one), median(other)))
        place.say(f"round {number + 1} is done")
    sizes = "of {:,} messages; of {:,}".format(*(log.events for log in logs))
    return [slower(f"{what}: {sizes}", medians, GOAL) for what, medians in found.items()]


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
