"""What a serving process takes: memory, and time to start."""

from statistics import median
from typing import Final

import psutil
from msgspec import Struct

from service.bench.figures import Figure, duration, megabytes
from service.bench.place import Place
from service.bench.serving import Service, serving

REQUESTS: Final = 200
START: Final = 3.0
MEMORY: Final = 150_000_000


class Served(Struct, frozen=True):
    seconds: float
    together: int
    """Bytes of all its processes; what they share is shared out among them where the system tells."""
    largest: int
    """Bytes of the largest, resident."""
    processes: int


def run(place: Place, rounds: int) -> list[Figure]:
    first = measure(place)
    place.say(f"the first start, which makes the database, took {duration(first.seconds)}")
    found = []
    for number in range(rounds):
        found.append(each := measure(place))
        place.say(f"round {number + 1}: started in {duration(each.seconds)}, {megabytes(each.together)}")
    start, together = median(each.seconds for each in found), max(each.together for each in found)
    largest = max(each.largest for each in found)
    return [
        Figure(
            "start of `serve` on an existing database, until it is ready",
            duration(start),
            goal=f"under {duration(START)}",
            reached=start < START,
        ),
        Figure(
            f"memory while serving, {found[0].processes} processes together, without PostgreSQL",
            f"{megabytes(together)}; the largest is {megabytes(largest)} resident",
            goal=f"under {megabytes(MEMORY)}",
            reached=together < MEMORY,
        ),
    ]


def measure(place: Place) -> Served:
    with serving(place.folder / "served", place.folder / "served.log") as service:
        for _ in range(REQUESTS):
            service.get("/health/ready")
        return sized(service)


def sized(service: Service) -> Served:
    processes = service.processes()
    resident = [process.memory_info().rss for process in processes]
    return Served(service.seconds, sum(map(own, processes)), max(resident), len(processes))


def own(process: psutil.Process) -> int:
    if psutil.LINUX:
        return int(process.memory_full_info().pss)
    return int(process.memory_info().rss)
