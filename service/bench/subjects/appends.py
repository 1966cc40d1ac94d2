"""Messages appended one by one, each acknowledged once it is on the disk."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

import psycopg

from domain.events import ConversationStarted
from projections.conversations import Conversations
from projections.history import History
from projections.projection import Projection
from service.bench.figures import Figure, Timing, faster, middle, said
from service.bench.library import Saver, recorder
from service.bench.logs import Talk, asked, prepare
from service.bench.measuring import at_once, in_threads
from service.bench.messages import content, message
from service.bench.pgbench import CLIENTS, pgbench
from service.bench.place import Place
from service.commands import add_messages, start_conversation
from service.hansard import pool_of
from service.store.connections import Database
from service.store.ids import new_id
from service.store.repository import Caller, Repository
from service.store.store import Store

TASKS: Final = 64
IN_STEP: Final[tuple[Projection, ...]] = (History(), Conversations())

TABLE: Final = """
CREATE TABLE message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation bigint NOT NULL, role text NOT NULL,
    content text NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now())"""
INSERT: Final = f"""
\\set conversation random(1, {TASKS})
INSERT INTO message (conversation, role, content) VALUES (:conversation, 'user', '{content(1)}');
"""  # noqa: S608

Side = Callable[[int], Timing]
"""Told how many at a time."""


def run(place: Place, rounds: int) -> list[Figure]:
    with (
        place.database() as full,
        place.database() as bare,
        place.database() as theirs,
        place.database() as raw,
    ):
        prepare(full, IN_STEP)
        prepare(bare, ())
        with psycopg.connect(raw) as connection:
            connection.execute(TABLE)
        sides: dict[str, Side] = {
            "store": lambda tasks: asyncio.run(store(full, IN_STEP, place.seconds, tasks)),
            "library": lambda threads: library(theirs, place.seconds, threads),
            "raw": lambda clients: pgbench(raw, place.folder, [INSERT], place.seconds, min(clients, CLIENTS)),
            "commands": lambda tasks: asyncio.run(commands(full, place.seconds, tasks)),
            "log alone": lambda tasks: asyncio.run(store(bare, (), place.seconds, tasks)),
        }
        found: dict[tuple[str, int], list[Timing]] = defaultdict(list)
        for number in range(rounds):
            for tasks in (TASKS, 1):
                for name, side in sides.items():
                    found[name, tasks].append(timing := side(tasks))
                    place.say(f"round {number + 1}, {name}, {tasks} at a time: {said([timing])}")
    return figures(found)


def figures(found: dict[tuple[str, int], list[Timing]]) -> list[Figure]:
    ours = found["store", TASKS]
    rows = [
        faster(f"store, {TASKS} tasks; library, {TASKS} threads", ours, found["library", TASKS], 10),
        Figure("the same by itself", said(ours), goal="at least 8,000/s", reached=middle(ours).rate >= 8_000),
        faster(f"store, {TASKS} tasks; pgbench, {CLIENTS} clients", ours, found["raw", TASKS]),
    ]
    for name in ("commands", "log alone"):
        many = found[name, TASKS]
        rows.append(faster(f"{name}, {TASKS} tasks; pgbench, {CLIENTS} clients", many, found["raw", TASKS]))
    one = found["store", 1]
    return [
        *rows,
        faster("store, 1 task; library, 1 thread", one, found["library", 1]),
        faster("store, 1 task; pgbench, 1 client", one, found["raw", 1]),
        faster("commands, 1 task; pgbench, 1 client", found["commands", 1], found["raw", 1]),
    ]


async def store(dsn: str, projections: Sequence[Projection], seconds: float, tasks: int) -> Timing:
    """Each task has a user and a conversation of its own, and knows its version."""
    with closing(Store(Database.open(dsn), projections)) as store:
        store.start()
        talks = [Talk(f"user-{number}", new_id()) for number in range(tasks)]
        versions = [1] * tasks
        for talk in talks:
            await store.append(asked(store, talk, [ConversationStarted()]))

        async def once(number: int) -> None:
            append = asked(store, talks[number], [message(versions[number])], versions[number])
            versions[number] = (await store.append(append)).version

        return await at_once(tasks, seconds, once)


async def commands(dsn: str, seconds: float, tasks: int) -> Timing:
    """The same through the use case: load, decide, append."""
    database = Database.open(dsn)
    with closing(Store(database, IN_STEP)) as store:
        store.start()
        async with pool_of(database, 8) as pool:
            repository = Repository(store, pool)
            callers = [Caller(f"user-{number}") for number in range(tasks)]
            started = [await start_conversation(repository, caller) for caller in callers]
            ids = [each.conversation.id for each in started if each.conversation]

            async def once(number: int) -> None:
                await add_messages(
                    repository, callers[number], ids[number], [message(number)], ids_are_new=True
                )

            timing = await at_once(tasks, seconds, once)
            await repository.close()
            return timing


def library(dsn: str, seconds: float, threads: int) -> Timing:
    with recorder(dsn) as made:
        savers = [Saver(made) for _ in range(threads)]
        return in_threads(threads, seconds, lambda number: savers[number].save())
