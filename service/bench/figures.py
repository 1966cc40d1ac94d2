"""What was measured, and how it is written down: a table in Markdown."""

from collections.abc import Sequence
from statistics import median
from typing import ClassVar, Final, Protocol

from msgspec import Struct

TIMES: Final = "\N{MULTIPLICATION SIGN}"


class Row(Protocol):
    """What a table is made of: all rows of one have the same headings."""

    headings: ClassVar[tuple[str, ...]]

    @property
    def cells(self) -> tuple[str, ...]: ...


class Figure(Struct, frozen=True):
    """One row: what Hansard did, and what the other side did in the same rounds."""

    headings: ClassVar[tuple[str, ...]] = ("what", "Hansard", "the other side", "ratio", "goal", "reached")

    what: str
    ours: str
    theirs: str = ""
    ratio: float | None = None
    goal: str = ""
    reached: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}{TIMES}"
        reached = {None: "", True: "yes", False: "**no**"}[self.reached]
        return self.what, self.ours, self.theirs, ratio, self.goal, reached


class Timing(Struct, frozen=True):
    """One round of one side: how many a second, and how long each took, in seconds."""

    rate: float
    p50: float
    p99: float
    busy: float = 0.0
    """Seconds of a processor that the side itself used for one, where that was looked at."""


def timing(latencies: Sequence[float], seconds: float, each: int = 1) -> Timing:
    """Of operations that each did so many of what is counted."""
    ordered = sorted(latencies)
    if not ordered:
        raise ValueError("nothing was done in the time that was given")
    return Timing(len(ordered) * each / seconds, quantile(ordered, 0.5), quantile(ordered, 0.99))


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def middle(rounds: Sequence[Timing]) -> Timing:
    """The median of each number by itself."""
    return Timing(
        median(each.rate for each in rounds),
        median(each.p50 for each in rounds),
        median(each.p99 for each in rounds),
        median(each.busy for each in rounds),
    )


def faster(what: str, ours: Sequence[Timing], theirs: Sequence[Timing], goal: float | None = None) -> Figure:
    """How many times the other side's rate; each round is compared by itself."""
    ratio = median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))
    return Figure(
        what,
        said(ours),
        said(theirs),
        ratio,
        f"at least {goal:g}{TIMES}" if goal else "",
        ratio >= goal if goal else None,
    )


def slower(what: str, rounds: Sequence[tuple[float, float]], goal: float) -> Figure:
    """How many times as long, by the two sides' medians of each round."""
    ratio = median(one / other for one, other in rounds)
    ours, theirs = (f"p50 {duration(median(found))}" for found in zip(*rounds, strict=True))
    return Figure(what, ours, theirs, ratio, f"within {goal:g}{TIMES}", ratio <= goal)


def said(rounds: Sequence[Timing]) -> str:
    """The medians, and between which rates the rounds were."""
    known = middle(rounds)
    times = f"p50 {duration(known.p50)}, p99 {duration(known.p99)}" if known.p99 else duration(known.p50)
    busy = f", {duration(known.busy)} of a processor" if known.busy else ""
    return f"{rates([each.rate for each in rounds])}, {times}{busy}"


def rates(found: Sequence[float]) -> str:
    spread = f" ({min(found):,.0f}-{max(found):,.0f})" if len(found) > 1 else ""
    return f"{median(found):,.0f}/s{spread}"


def duration(seconds: float) -> str:
    if seconds < 0.000_95:
        return f"{seconds * 1_000_000:,.0f} µs"
    if seconds < 0.995:
        return f"{seconds * 1000:,.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"
    return f"{seconds:,.1f} s"


def megabytes(size: float) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def table(found: Sequence[Row]) -> str:
    """Padded, so that it can be read where it is not rendered too."""
    rows = [found[0].headings, *(each.cells for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
