"""Messages appended by the thousand, as an import does it."""

import asyncio
from collections import defaultdict
from contextlib import closing
from typing import Final

from domain.events import ConversationStarted
from service.bench.figures import Figure, Timing, faster, middle, said
from service.bench.library import Saver, recorder
from service.bench.logs import Talk, asked, prepare
from service.bench.measuring import at_once, in_threads
from service.bench.messages import messages
from service.bench.place import Place
from service.bench.subjects.appends import IN_STEP
from service.store.connections import Database
from service.store.ids import new_id
from service.store.store import Store

SIZE: Final = 1_000
AT_ONCE: Final = 4
"""While one batch is stored, the next ones are made ready."""
THEIR_SIZE: Final = 200
"""A save of a thousand such messages hangs in the library, whose pipeline is not read while it is written."""
GOAL: Final = 25_000


def run(place: Place, rounds: int) -> list[Figure]:
    found: dict[str, list[Timing]] = defaultdict(list)
    with place.database() as full, place.database() as bare, place.database() as theirs:
        prepare(full, IN_STEP)
        prepare(bare, ())
        for number in range(rounds):
            found["in step"].append(asyncio.run(store(full, place.seconds, in_step=True)))
            found["log alone"].append(asyncio.run(store(bare, place.seconds, in_step=False)))
            found["library"].append(library(theirs, place.seconds))
            for name, timings in found.items():
                place.say(f"round {number + 1}, {name}: {said(timings[-1:])}")
    reached = middle(found["in step"]).rate >= GOAL
    return [
        faster(f"batches of {SIZE:,}, log, history and conversations", found["in step"], found["library"]),
        Figure("the same by itself", said(found["in step"]), goal=f"at least {GOAL:,}/s", reached=reached),
        faster("the log alone", found["log alone"], found["library"]),
    ]


async def store(dsn: str, seconds: float, in_step: bool) -> Timing:
    with closing(Store(Database.open(dsn), IN_STEP if in_step else ())) as store:
        store.start()
        talks = [Talk(f"user-{number}", new_id()) for number in range(AT_ONCE)]
        for talk in talks:
            await store.append(asked(store, talk, [ConversationStarted()]))

        async def once(number: int) -> None:
            await store.append(asked(store, talks[number], list(messages(number, SIZE))))

        return await at_once(AT_ONCE, seconds, once, SIZE)


def library(dsn: str, seconds: float) -> Timing:
    """Its recorder in as many threads."""
    with recorder(dsn) as made:
        savers = [Saver(made) for _ in range(AT_ONCE)]
        return in_threads(AT_ONCE, seconds, lambda number: savers[number].save(THEIR_SIZE), THEIR_SIZE)
