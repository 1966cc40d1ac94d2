"""Times as callers write them."""

from datetime import UTC, datetime
from typing import Final

from service.api.answering.wire import unfit

A_TIME: Final = "Expected a day or a time, as in 2026-03-14 or 2026-03-14T09:26:53Z"


def time_in(name: str, text: str, expected: str = A_TIME) -> datetime:
    """A plus that was not escaped in the address has become a blank."""
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise unfit(name, expected) from None
