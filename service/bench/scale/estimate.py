"""One row of a plan, and how large numbers are said in it."""

from typing import ClassVar, Final

from msgspec import Struct

NAMES: Final = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"))
UNITS: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


class Estimate(Struct, frozen=True):
    headings: ClassVar[tuple[str, ...]] = (
        "what",
        "measured here",
        "needed",
        "how the second comes from the first",
    )

    what: str
    here: str
    needed: str
    how: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return self.what, self.here, self.needed, self.how


def amount(number: float) -> str:
    for least, name in NAMES:
        if number >= least:
            return f"{three(number / least)} {name}"
    return f"{number:,.0f}" if number >= 100 else three(number)


def size(number: float) -> str:
    for least, unit in UNITS:
        if number >= least:
            return f"{three(number / least)} {unit}"
    return f"{number:,.0f} B"


def span(seconds: float) -> str:
    """Of time: what takes days is not said in hours."""
    if seconds >= 3 * DAY:
        return f"{three(seconds / DAY)} days"
    return f"{three(seconds / HOUR)} h" if seconds >= HOUR else f"{three(seconds / 60)} min"


def three(number: float) -> str:
    """No more than three digits say anything here."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.{1 if number >= 10 else 2}f}".rstrip("0").rstrip(".")
