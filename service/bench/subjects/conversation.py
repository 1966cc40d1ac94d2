"""One very long conversation beside short ones."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

from projections import history
from service.bench.figures import Figure, slower
from service.bench.logs import Talk, prepare
from service.bench.measuring import by_turns
from service.bench.messages import message, messages
from service.bench.place import Place
from service.commands import add_messages, start_conversation
from service.hansard import Hansard, projections_of, running
from service.settings.settings import Settings
from service.store.ids import new_id
from service.store.repository import Caller

LONG: Final = 50_000
SHORT: Final = 50
SHORT_ONES: Final = 100
"""So many, so that they are still short after the measurement."""
BATCH: Final = 1_000
PAGE: Final = 50
GOAL: Final = 1.5


def run(place: Place, rounds: int) -> list[Figure]:
    with place.database() as dsn:
        prepare(dsn, projections_of(Settings()))
        return asyncio.run(measure(place, dsn, rounds))


async def measure(place: Place, dsn: str, rounds: int) -> list[Figure]:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    times = SHORT_ONES if place.quick else 5 * SHORT_ONES
    async with running(Settings(), dsn) as hansard:
        long = [await conversation(hansard, LONG)] * times
        short = [await conversation(hansard, SHORT) for _ in range(SHORT_ONES)] * (times // SHORT_ONES)
        place.say(f"stored a conversation of {LONG:,} messages, and {SHORT_ONES} of {SHORT}")
        for number in range(rounds):
            for what, work in works(hansard).items():
                one, other = await by_turns(work, long, work, short)
                found[what].append((median(one), median(other)))
            place.say(f"round {number + 1} is done")
    return [
        slower(f"{what}: one of {LONG:,} messages; of {SHORT}", medians, GOAL)
        for what, medians in found.items()
    ]


def works(hansard: Hansard) -> dict[str, Callable[[Talk], Awaitable[object]]]:
    """What is done to a conversation, each in the way of a request."""
    store, view = hansard.store, hansard.views["history"]
    return {
        "append": lambda talk: add_messages(
            hansard.repository, Caller(talk.user_id), talk.conversation_id, [message(0)], ids_are_new=True
        ),
        f"newest {PAGE}": lambda talk: history.page(
            view, store.shard_of(talk.user_id), talk.conversation_id, PAGE
        ),
    }


async def conversation(hansard: Hansard, size: int) -> Talk:
    talk = Talk("ann", new_id())
    caller = Caller(talk.user_id)
    await start_conversation(hansard.repository, caller, conversation_id=talk.conversation_id)
    for first in range(0, size, BATCH):
        wishes = list(messages(first, min(BATCH, size - first)))
        await add_messages(hansard.repository, caller, talk.conversation_id, wishes, ids_are_new=True)
    return talk
