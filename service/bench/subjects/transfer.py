"""The whole record written to a file, and taken in by an empty database."""

from collections import defaultdict
from statistics import median
from typing import Final

from service.bench.commands import Took, took
from service.bench.figures import Figure, megabytes, rates
from service.bench.place import Place
from service.hansard import prepare
from service.settings.settings import Settings

PART: Final = 10
"""The small log is so much smaller; in flat memory, it takes as much."""
FLAT: Final = 1.5


def run(place: Place, rounds: int) -> list[Figure]:
    found: dict[tuple[str, int], list[Took]] = defaultdict(list)
    sizes = (place.events // PART, place.events)
    for number in range(rounds):
        for size in sizes:
            dsn, events = place.log(size).dsn, place.log(size).events
            file = place.folder / f"{size}-{number}.jsonl"
            out = took(events, "export", "--dsn", dsn, "--out", str(file))
            with place.database() as empty:
                prepare(Settings(), empty)
                back = took(events, "import", "--dsn", empty, str(file))
            length = file.stat().st_size
            file.unlink()
            found["export", size].append(out)
            found["import", size].append(back)
            place.say(
                f"round {number + 1}, {events:,} messages, {megabytes(length)}: "
                f"{out.rate:,.0f}/s out, {back.rate:,.0f}/s in"
            )
    return [figure(name, sizes, found) for name in ("export", "import")]


def figure(name: str, sizes: tuple[int, int], found: dict[tuple[str, int], list[Took]]) -> Figure:
    small, large = (median(each.memory for each in found[name, size]) for size in sizes)
    return Figure(
        f"{name} of {sizes[1]:,} messages; memory of it and of one of {sizes[0]:,}",
        f"{rates([each.rate for each in found[name, sizes[1]]])}, {megabytes(large)}",
        megabytes(small),
        large / small,
        f"within {FLAT:g}\N{MULTIPLICATION SIGN}",
        large / small <= FLAT,
    )
