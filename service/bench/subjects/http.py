"""Messages over HTTP, beside the usual way to write such a service and the bare framework."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import msgspec
import psycopg
from msgspec import Struct

from service.bench.asking import Connection, getting, posting
from service.bench.figures import Figure, Timing, duration, faster, middle, said
from service.bench.logs import Talk, prepare
from service.bench.measuring import WARM_UP, at_once
from service.bench.messages import content
from service.bench.place import Place
from service.bench.serving import Service, serving, serving_bare, serving_plain
from service.bench.subjects.reads import CONVERSATIONS, LIST, LISTED, NEWEST, PAGE, READ, fill
from service.hansard import projections_of
from service.settings.settings import Settings

WRITTEN: Final = "durable messages"
BATCHED: Final = "durable messages in batches of 1,000"
BATCH: Final = 1_000
CLIENTS: Final = 32
USER: Final = "ann"
SLOWEST: Final = 0.05
THIRD: Final = 0.333

COPY: Final = "COPY message (conversation_id, user_id, role, content, created_at) FROM STDIN"


class Followed(Struct):
    behind: int


class Standing(Struct):
    """Of what the service says of itself."""

    at: datetime
    projections: list[Followed]


Load = Callable[[str, float, int], Coroutine[Any, Any, Timing]]
"""Told where, for how many seconds, and how many at a time."""
Case = tuple[str, str, int]
"""What, by which side, and how many at a time."""


def run(place: Place, rounds: int) -> list[Figure]:
    with place.database() as ours, place.database() as theirs:
        prepare(ours, projections_of(Settings()))
        talks = asyncio.run(fill(ours))
        with (
            serving(place.folder / "served", place.folder / "served.log", "--dsn", ours) as hansard,
            serving_plain(theirs, place.folder / "plain.log") as plain,
            serving_bare(place.folder / "bare.log") as bare,
        ):
            fill_plain(theirs, talks)
            sides = {"hansard": hansard, "plain": plain, "bare": bare}
            return figures(measure(place, rounds, sides, loads(talks)))


def loads(talks: list[Talk]) -> dict[tuple[str, str], Load]:
    """The framework by itself is asked just as Hansard is."""
    paths, listing = reading(pages(talks)), reading([LIST_OURS])
    return {
        (WRITTEN, "hansard"): write,
        (WRITTEN, "plain"): write_plain,
        (WRITTEN, "bare"): write,
        (NEWEST, "hansard"): paths,
        (NEWEST, "plain"): reading(plain_pages(talks)),
        (NEWEST, "bare"): paths,
        (LISTED, "hansard"): listing,
        (LISTED, "plain"): reading([LIST_THEIRS]),
        (LISTED, "bare"): listing,
        (BATCHED, "hansard"): write_batches,
        (BATCHED, "bare"): write_batches,
    }


def measure(
    place: Place, rounds: int, sides: dict[str, Service], loads: dict[tuple[str, str], Load]
) -> dict[Case, list[Timing]]:
    found: dict[Case, list[Timing]] = defaultdict(list)
    for number in range(rounds):
        for tasks in (CLIENTS, 1):
            for (what, name), load in loads.items():
                if what == BATCHED and tasks > 1:
                    continue
                until_followed(sides["hansard"])
                timing = asked_of(sides[name], load, place.seconds, tasks)
                found[what, name, tasks].append(timing)
                place.say(f"round {number + 1}, {what}, {name}, {tasks} at a time: {said([timing])}")
    return found


def until_followed(hansard: Service) -> None:
    """What was written for one figure is not to be followed while the next is taken."""
    since = datetime.now(UTC)
    while True:
        status = msgspec.json.decode(hansard.get("/api/admin/status"), type=Standing)
        if status.at > since and not any(each.behind for each in status.projections):
            return
        time.sleep(0.1)


def asked_of(side: Service, load: Load, seconds: float, tasks: int) -> Timing:
    """With the processor time that the side used for each, while it was warming up too."""
    before = side.busy()
    timing = asyncio.run(load(side.url, seconds, tasks))
    used = side.busy() - before
    return msgspec.structs.replace(timing, busy=used / (timing.rate * seconds * (1 + WARM_UP)))


def figures(found: dict[Case, list[Timing]]) -> list[Figure]:
    def row(what: str, tasks: int, other: str, goal: float | None = None) -> Figure:
        connections = f"{tasks} connection{'s' * (tasks > 1)}"
        name = f"{what}, {connections}; {SAID[other]}"
        return faster(name, found[what, "hansard", tasks], found[what, other, tasks], goal)

    slowest = middle(found[WRITTEN, "hansard", CLIENTS]).p99
    return [
        row(WRITTEN, CLIENTS, "plain", 10),
        row(WRITTEN, CLIENTS, "bare", THIRD),
        Figure(
            "the slowest hundredth of them",
            f"p99 {duration(slowest)}",
            goal=f"p99 under {duration(SLOWEST)}",
            reached=slowest < SLOWEST,
        ),
        row(WRITTEN, 1, "plain", 2),
        row(WRITTEN, 1, "bare"),
        row(NEWEST, CLIENTS, "plain", 15),
        row(NEWEST, CLIENTS, "bare", THIRD),
        row(NEWEST, 1, "plain"),
        row(LISTED, CLIENTS, "plain", 15),
        row(LISTED, CLIENTS, "bare"),
        row(LISTED, 1, "plain"),
        row(BATCHED, 1, "bare"),
    ]


SAID: Final = {"plain": "FastAPI and SQLModel", "bare": "the framework with nothing behind it"}


async def write(url: str, seconds: float, tasks: int) -> Timing:
    """Each connection has a user and a conversation of its own."""
    connections = [await Connection.to(url) for _ in range(tasks)]
    users = [f"X-User-Id: writer-{number}" for number in range(tasks)]
    paths = [await begun(each, user) for each, user in zip(connections, users, strict=True)]
    requests = [
        posting(path, {"role": "user", "content": content(1)}, user)
        for path, user in zip(paths, users, strict=True)
    ]
    return await asked(connections, seconds, requests)


async def begun(connection: Connection, user: str) -> str:
    """Where the messages of a new conversation are."""
    conversation = msgspec.json.decode(await connection.ask(posting("/api/conversations", {}, user)))
    return f"/api/conversations/{conversation['id']}/messages"


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


async def asked(
    connections: Sequence[Connection], seconds: float, requests: Sequence[bytes], each_holds: int = 1
) -> Timing:
    """Each connection sends its own request again and again."""
    try:
        return await at_once(
            len(connections), seconds, lambda number: connections[number].ask(requests[number]), each_holds
        )
    finally:
        for each in connections:
            await each.close()


async def write_batches(url: str, seconds: float, tasks: int) -> Timing:
    connections = [await Connection.to(url) for _ in range(tasks)]
    messages = [{"role": "user", "content": content(number)} for number in range(BATCH)]
    paths = [await begun(each, "X-User-Id: batches") for each in connections]
    requests = [posting(f"{path}/batch", {"messages": messages}, "X-User-Id: batches") for path in paths]
    return await asked(connections, seconds, requests, BATCH)


def reading(requests: Sequence[bytes]) -> Load:
    async def read(url: str, seconds: float, tasks: int) -> Timing:
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

    return read


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
