"""Messages written and read over HTTP, beside the same service as it is written most often."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import msgspec
import psycopg

from projections import conversations, history
from service.bench.asking import Connection, getting, posting
from service.bench.figures import Figure, Timing, duration, faster, middle, said
from service.bench.logs import Talk, prepare
from service.bench.measuring import at_once
from service.bench.messages import content
from service.bench.pgbench import CLIENTS, pgbench
from service.bench.place import Place
from service.bench.serving import serving, serving_plain
from service.bench.subjects.appends import INSERT, TABLE
from service.bench.subjects.reads import CONVERSATIONS, LIST, LISTED, NEWEST, PAGE, READ, fill, script
from service.hansard import projections_of
from service.settings.settings import Settings

WRITTEN: Final = "durable messages"
USER: Final = "ann"
SLOWEST: Final = 0.05

COPY: Final = "COPY message (conversation_id, user_id, role, content, created_at) FROM STDIN"

Side = Callable[[int], Timing]
"""Told how many at a time."""


def run(place: Place, rounds: int) -> list[Figure]:
    with place.database() as ours, place.database() as theirs, place.database() as raw:
        prepare(ours, projections_of(Settings()))
        talks = asyncio.run(fill(ours))
        with psycopg.connect(raw) as connection:
            connection.execute(TABLE)
        with (
            serving(place.folder / "served", place.folder / "served.log", "--dsn", ours) as hansard,
            serving_plain(theirs, place.folder / "plain.log") as plain,
        ):
            fill_plain(theirs, talks)
            sides = sides_of(place, hansard.url, plain.url, ours, raw, talks)
            return figures(measure(place, rounds, sides))


def sides_of(
    place: Place, hansard: str, plain: str, dsn: str, raw: str, talks: list[Talk]
) -> dict[tuple[str, str], Side]:
    page = script(dsn, history.History(), history.CONVERSATION_OLDER, talks[0], PAGE)
    listed = script(dsn, conversations.Conversations(), conversations.listed(""), talks[0], LIST)
    seconds, folder = place.seconds, place.folder
    return {
        (WRITTEN, "hansard"): lambda tasks: asyncio.run(write(hansard, seconds, tasks)),
        (WRITTEN, "plain"): lambda tasks: asyncio.run(write_plain(plain, seconds, tasks)),
        (WRITTEN, "pgbench"): lambda tasks: pgbench(raw, folder, [INSERT], seconds, tasks),
        (NEWEST, "hansard"): lambda tasks: asyncio.run(read(hansard, seconds, tasks, pages(talks))),
        (NEWEST, "plain"): lambda tasks: asyncio.run(read(plain, seconds, tasks, plain_pages(talks))),
        (NEWEST, "pgbench"): lambda tasks: pgbench(dsn, folder, [page], seconds, tasks),
        (LISTED, "hansard"): lambda tasks: asyncio.run(read(hansard, seconds, tasks, [LIST_OURS])),
        (LISTED, "plain"): lambda tasks: asyncio.run(read(plain, seconds, tasks, [LIST_THEIRS])),
        (LISTED, "pgbench"): lambda tasks: pgbench(dsn, folder, [listed], seconds, tasks),
    }


Found = dict[tuple[str, str, int], list[Timing]]


def measure(place: Place, rounds: int, sides: dict[tuple[str, str], Side]) -> Found:
    found: Found = defaultdict(list)
    for number in range(rounds):
        for tasks in (CLIENTS, 1):
            for (what, name), side in sides.items():
                found[what, name, tasks].append(timing := side(tasks))
                place.say(f"round {number + 1}, {what}, {name}, {tasks} at a time: {said([timing])}")
    return found


def figures(found: Found) -> list[Figure]:
    def row(what: str, tasks: int, other: str, goal: float | None = None) -> Figure:
        connections = f"{tasks} connection{'s' * (tasks > 1)}"
        name = f"{what}, {connections}; {SAID[other, what]}"
        return faster(name, found[what, "hansard", tasks], found[what, other, tasks], goal)

    slowest = middle(found[WRITTEN, "hansard", CLIENTS]).p99
    return [
        row(WRITTEN, CLIENTS, "plain", 15),
        row(WRITTEN, CLIENTS, "pgbench", 0.5),
        Figure(
            "the slowest hundredth of them",
            f"p99 {duration(slowest)}",
            goal=f"p99 under {duration(SLOWEST)}",
            reached=slowest < SLOWEST,
        ),
        row(WRITTEN, 1, "plain", 2),
        row(WRITTEN, 1, "pgbench"),
        row(NEWEST, CLIENTS, "plain", 12),
        row(NEWEST, CLIENTS, "pgbench", 0.4),
        row(NEWEST, 1, "plain"),
        row(LISTED, CLIENTS, "plain", 12),
        row(LISTED, CLIENTS, "pgbench"),
        row(LISTED, 1, "plain"),
    ]


SAID: Final = {
    ("plain", WRITTEN): "plain",
    ("plain", NEWEST): "plain",
    ("plain", LISTED): "plain",
    ("pgbench", WRITTEN): "pgbench, one INSERT a transaction",
    ("pgbench", NEWEST): "pgbench, the same SELECT",
    ("pgbench", LISTED): "pgbench, the same SELECT",
}


async def write(url: str, seconds: float, tasks: int) -> Timing:
    """Each connection has a user and a conversation of its own."""
    connections = [await Connection.to(url) for _ in range(tasks)]
    users = [f"X-User-Id: writer-{number}" for number in range(tasks)]
    paths = [
        f"/api/conversations/{id_of(await each.ask(posting('/api/conversations', {}, user)))}/messages"
        for each, user in zip(connections, users, strict=True)
    ]
    requests = [
        posting(path, {"role": "user", "content": content(1)}, user)
        for path, user in zip(paths, users, strict=True)
    ]
    return await asked(connections, seconds, requests)


def id_of(conversation: bytes) -> str:
    return str(msgspec.json.decode(conversation)["id"])


numbers = count(1)


async def write_plain(url: str, seconds: float, tasks: int) -> Timing:
    connections = [await Connection.to(url) for _ in range(tasks)]
    requests = [
        posting(
            f"/conversations/written-{next(numbers)}/messages",
            {"user_id": f"writer-{number}", "role": "user", "content": content(1)},
        )
        for number in range(tasks)
    ]
    return await asked(connections, seconds, requests)


async def asked(connections: Sequence[Connection], seconds: float, requests: Sequence[bytes]) -> Timing:
    """Each connection sends its own request again and again."""
    try:
        return await at_once(
            len(connections), seconds, lambda number: connections[number].ask(requests[number])
        )
    finally:
        for each in connections:
            await each.close()


async def read(url: str, seconds: float, tasks: int, requests: Sequence[bytes]) -> Timing:
    connections, turn = [await Connection.to(url) for _ in range(tasks)], count()
    try:
        return await at_once(
            tasks,
            seconds,
            lambda number: connections[number].ask(requests[next(turn) % len(requests)]),
        )
    finally:
        for each in connections:
            await each.close()


def pages(talks: list[Talk]) -> list[bytes]:
    return [
        getting(f"/api/conversations/{talk.conversation_id}/messages?limit={PAGE}", f"X-User-Id: {USER}")
        for talk in talks
    ]


def plain_pages(talks: list[Talk]) -> list[bytes]:
    return [getting(f"/conversations/{talk.conversation_id}/messages?limit={PAGE}") for talk in talks]


LIST_OURS: Final = getting(f"/api/conversations?limit={LIST}", f"X-User-Id: {USER}")
LIST_THEIRS: Final = getting(f"/conversations?user_id={USER}&limit={LIST}")


def fill_plain(dsn: str, talks: list[Talk]) -> None:
    """The same conversations: most of two messages, and those that are read of two pages."""
    others = [f"conversation-{number}" for number in range(CONVERSATIONS - READ)]
    sizes = [(name, 2) for name in others] + [(str(talk.conversation_id), 2 * PAGE) for talk in talks]
    with psycopg.connect(dsn) as connection:
        with connection.cursor().copy(COPY) as copy:
            for name, size in sizes:
                for number in range(size):
                    copy.write_row(
                        (name, USER, "assistant" if number % 2 else "user", content(number), "now")
                    )
        connection.execute("ANALYZE message")
