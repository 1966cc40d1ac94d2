"""The times of an export: seconds since 1970, in older exports ISO text, and often none."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(value: Any) -> datetime | None:
    """To the microsecond; None for what is no time."""
    match value:
        case bool():
            return None
        case int() | float():
            return since_1970(value)
        case str():
            return parsed(value)
        case _:
            return None


def seconds_of(value: Any) -> float | None:
    time = time_of(value)
    return None if time is None else time.timestamp()


def since_1970(seconds: float) -> datetime | None:
    try:
        time = BEGINNING + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None
    return time if time > BEGINNING else None


def parsed(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
