"""Many clients at once who write to one conversation, beside as many with a conversation each."""

import asyncio
from collections import defaultdict
from typing import Final

from service.bench.asking import Connection, posting
from service.bench.figures import TIMES, Figure, Timing, duration, faster, middle, said
from service.bench.messages import content
from service.bench.place import Place
from service.bench.serving import serving
from service.bench.subjects.http import asked, begun

CLIENTS: Final = 64
WORKERS: Final = 3
GOAL: Final = 2.0
SIDES: Final = {"one conversation": 1, "a conversation each": CLIENTS}


def run(place: Place, rounds: int) -> list[Figure]:
    found: dict[str, list[Timing]] = defaultdict(list)
    flags = ("--workers", str(WORKERS))
    with serving(place.folder / "crowded", place.folder / "crowded.log", *flags) as service:
        for number in range(rounds):
            for side, conversations in SIDES.items():
                timing = asyncio.run(write(service.url, place.seconds, conversations))
                found[side].append(timing)
                place.say(f"round {number + 1}, {side}: {said([timing])}")
    one, each = found.values()
    ratio = middle(one).p99 / middle(each).p99
    return [
        faster(f"{CLIENTS} clients over {WORKERS} workers: one conversation; a conversation each", one, each),
        Figure(
            "the slowest hundredth of them",
            f"p99 {duration(middle(one).p99)}",
            f"p99 {duration(middle(each).p99)}",
            ratio,
            f"at most {GOAL:g}{TIMES}",
            ratio <= GOAL,
        ),
    ]


async def write(url: str, seconds: float, conversations: int) -> Timing:
    """A refusal ends the measurement: there is none."""
    connections = [await Connection.to(url) for _ in range(CLIENTS)]
    users = [f"X-User-Id: writer-{number}" for number in range(conversations)]
    paths = [await begun(connection, user) for connection, user in zip(connections, users, strict=False)]
    requests = [
        posting(
            paths[number % conversations],
            {"role": "user", "content": content(1)},
            users[number % conversations],
        )
        for number in range(CLIENTS)
    ]
    return await asked(connections, seconds, requests)
