"""Projections that follow behind the log, and when another process can read what was appended."""

import time
from typing import Final

from projections.following.follower import Follower
from projections.projection import Projection
from projections.search import Search
from projections.usage import Usage
from service.bench import library_view
from service.bench.figures import Figure, duration, middle, rates
from service.bench.logs import Shape, load, prepare
from service.bench.place import Place
from service.bench.readable import Readable, readable
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import Database
from service.store.log import DatabaseLog

BEHIND: Final[tuple[Projection, ...]] = (Search(), Usage())
RATE: Final = 1_000
"""Appends a second."""
GOAL: Final = 0.05


def run(place: Place, rounds: int) -> list[Figure]:
    return [speed(place, rounds), *delays(place, rounds)]


def speed(place: Place, rounds: int) -> Figure:
    shape = Shape.of(2_000 if place.quick else 20_000)
    ours, theirs = [], []
    for number in range(rounds):
        with place.database() as dsn:
            prepare(dsn, BEHIND)
            load(dsn, shape, place.say)
            ours.append(follow(dsn))
        with place.database() as dsn, library_view.filled(dsn, shape.events) as last:
            theirs.append(shape.events / library_view.follow(dsn, last))
        place.say(f"round {number + 1}, following: {rates(ours[-1:])}; the library: {rates(theirs[-1:])}")
    return Figure(
        f"following {shape.events:,} events: words and counts",
        rates(ours),
        rates(theirs),
        sorted(one / other for one, other in zip(ours, theirs, strict=True))[rounds // 2],
    )


def follow(dsn: str) -> float:
    """Events a second, each through search and through usage."""
    database, log = Database.open(dsn), DatabaseLog()
    follower = Follower(database.connect, log, BEHIND)
    started = time.perf_counter()
    follower.run_once()
    seconds = time.perf_counter() - started
    with database.connect() as connection:
        return sum(log.heads(connection).values()) / seconds


def delays(place: Place, rounds: int) -> list[Figure]:
    figures = []
    with place.database() as dsn:
        prepare(dsn, projections_of(Settings()))
        for projection, how in (("history", "in step"), ("search", "behind")):
            found = []
            for number in range(rounds):
                found.append(measured := readable(dsn, projection, place.seconds, RATE))
                place.say(
                    f"round {number + 1}, {projection}: p99 {duration(measured.delay.p99)}, "
                    f"{measured.missed} missed, {measured.appended:,.0f} appends/s"
                )
            figures.append(figure(f"acknowledged → readable elsewhere: {projection} ({how})", found))
    return figures


def figure(what: str, found: list[Readable]) -> Figure:
    delay = middle([each.delay for each in found])
    missed = sum(each.missed for each in found)
    rate = sorted(each.appended for each in found)[len(found) // 2]
    return Figure(
        what,
        f"p50 {duration(delay.p50)}, p99 {duration(delay.p99)}, {missed} missed, at {rate:,.0f} appends/s",
        goal=f"p99 under {duration(GOAL)}, 0 missed, at {RATE:,}/s",
        reached=delay.p99 < GOAL and not missed and rate > RATE * 0.95,
    )
