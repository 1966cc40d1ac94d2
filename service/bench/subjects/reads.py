"""The newest messages of a conversation, and the newest conversations of a user."""

import asyncio
from collections import defaultdict
from typing import Any, Final

from domain.events import ConversationStarted
from projections import conversations, history
from projections.generations import live
from projections.projection import Projection
from projections.reading.view import Query
from projections.rows.tables import raw
from service.bench.figures import Figure, Timing, faster, said
from service.bench.logs import Talk, asked, prepare
from service.bench.measuring import at_once
from service.bench.messages import messages
from service.bench.pgbench import pgbench
from service.bench.place import Place
from service.hansard import projections_of, running
from service.settings.settings import Settings
from service.store.connections import Database
from service.store.ids import new_id

TASKS: Final = 32
PAGE: Final = 50
LIST: Final = 20
CONVERSATIONS: Final = 1_000
"""All of one user."""
READ: Final = 20
"""So many of them are read, the last ones, and have messages enough for two pages."""
NEWEST: Final = f"newest {PAGE} messages of a conversation"
LISTED: Final = f"list of {LIST} conversations among {CONVERSATIONS:,}"


def run(place: Place, rounds: int) -> list[Figure]:
    with place.database() as dsn:
        prepare(dsn, projections_of(Settings()))
        talks = asyncio.run(fill(dsn))
        place.say(f"stored {CONVERSATIONS:,} conversations")
        scripts = {
            NEWEST: [
                script(dsn, history.History(), history.CONVERSATION_OLDER, talk, PAGE) for talk in talks
            ],
            LISTED: [script(dsn, conversations.Conversations(), conversations.listed(""), talks[0], LIST)],
        }
        found: dict[tuple[str, int, str], list[Timing]] = defaultdict(list)
        for number in range(rounds):
            for what, texts in scripts.items():
                for tasks in (TASKS, 1):
                    ours = asyncio.run(read(dsn, what, talks, place.seconds, tasks))
                    theirs = pgbench(dsn, place.folder, texts, place.seconds, tasks)
                    found[what, tasks, "ours"].append(ours)
                    found[what, tasks, "theirs"].append(theirs)
                    place.say(
                        f"round {number + 1}, {what}, {tasks}: {said([ours])}; pgbench {said([theirs])}"
                    )
    return [
        faster(
            f"{what}, {tasks} at a time; pgbench, the same SELECT",
            found[what, tasks, "ours"],
            found[what, tasks, "theirs"],
        )
        for what in scripts
        for tasks in (TASKS, 1)
    ]


async def fill(dsn: str) -> list[Talk]:
    async with running(Settings(), dsn) as hansard:
        store = hansard.store
        talks = [Talk("ann", new_id()) for _ in range(CONVERSATIONS)]
        sizes = [2] * (CONVERSATIONS - READ) + [2 * PAGE] * READ
        for talk, size in zip(talks, sizes, strict=True):
            store.submit(asked(store, talk, [ConversationStarted(), *messages(0, size)]))
    # Which has stored what it took by now.
    return talks[-READ:]


async def read(dsn: str, what: str, talks: list[Talk], seconds: float, tasks: int) -> Timing:
    async with running(Settings(), dsn) as hansard:
        views, turn = hansard.views, iter(range(10**9))
        shard = hansard.store.shard_of(talks[0].user_id)

        async def newest(_: int) -> None:
            talk = talks[next(turn) % READ]
            await history.page(views["history"], shard, talk.conversation_id, PAGE)

        async def listed(_: int) -> None:
            await conversations.page(views["conversations"], shard, talks[0].user_id, LIST)

        return await at_once(tasks, seconds, newest if what == NEWEST else listed)


def script(dsn: str, projection: Projection, query: Query[Any], talk: Talk, limit: int) -> str:
    """The SELECT as the view sends it, but for what the view adds: the look at whether it is up to date."""
    with Database.open(dsn).connect() as connection:
        generation = live(connection, projection)
        assert generation is not None  # noqa: S101 - it was installed
        tables = {table.name: table.physical(generation.number) for table in projection.tables}
        text = raw(query.sql).format(**tables).as_string(connection)
        row = connection.execute("SELECT shard FROM events LIMIT 1").fetchone()
    given = {
        "shard": row[0] if row else 0,
        "conversation_id": f"'{talk.conversation_id}'",
        "user_id": f"'{talk.user_id}'",
        "before": history.END,
        "limit": limit,
    }
    return text % given + ";\n"
