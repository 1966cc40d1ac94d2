"""When a conversation is due to be anonymised or erased: pure policy."""

from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct


class Due(Enum):
    KEEP = "keep"
    ANONYMISE = "anonymise"
    ERASE = "erase"


class Policy(Struct, frozen=True):
    """Days without activity; None means never."""

    anonymise_after_days: int | None = None
    erase_after_days: int | None = None

    def __post_init__(self) -> None:
        for days in (self.anonymise_after_days, self.erase_after_days):
            if days is not None and days < 1:
                raise ValueError(f"retention counts whole days from 1, not {days}; leave it out for never")


def due(policy: Policy, last_activity: datetime, now: datetime, anonymised: bool = False) -> Due:
    """Erasing goes before anonymising, and what is anonymised already only waits to be erased."""
    idle = now - last_activity
    if has_passed(policy.erase_after_days, idle):
        return Due.ERASE
    if has_passed(policy.anonymise_after_days, idle) and not anonymised:
        return Due.ANONYMISE
    return Due.KEEP


def has_passed(days: int | None, idle: timedelta) -> bool:
    return days is not None and idle >= timedelta(days=days)
