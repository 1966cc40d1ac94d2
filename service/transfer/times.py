"""Times as others keep them: seconds since 1970, ISO text, the database's own, and often none."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECONDS: Final = 1e11
"""More seconds than this are none: they are milliseconds, of which it is 1973."""


def time_of(value: Any, zone: tzinfo = UTC) -> datetime | None:
    """To the microsecond; None for what is no time. The zone is of those that say none."""
    match value:
        case bool():
            return None
        case int() | float():
            return since_1970(value)
        case str():
            return parsed(value, zone)
        case datetime():
            return aware(value, zone)
        case _:
            return None


def seconds_of(value: Any) -> float | None:
    time = time_of(value)
    return None if time is None else time.timestamp()


def since_1970(seconds: float) -> datetime | None:
    try:
        time = BEGINNING + timedelta(seconds=seconds if seconds < MILLISECONDS else seconds / 1_000)
    except (OverflowError, ValueError):
        return None
    return time if time > BEGINNING else None


def parsed(text: str, zone: tzinfo) -> datetime | None:
    try:
        return aware(datetime.fromisoformat(text), zone)
    except ValueError:
        return None


def aware(time: datetime, zone: tzinfo) -> datetime | None:
    try:
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        return None
