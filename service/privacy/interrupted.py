"""Once an erasure is begun, whatever keeps it from its end is told as that: it is gone on with, by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from domain.errors import Contended
from projections.errors import ReplayIsRunning
from service.privacy.errors import ForgettingUnderWay
from service.store import afterwards
from service.store.errors import OutcomeUnknown, StoreIsBusy, StoreIsClosed, StoreUnavailable

STORE: Final = (StoreIsBusy, StoreIsClosed, StoreUnavailable, OutcomeUnknown, Contended)
IN_THE_WAY: Final = (*afterwards.AWAY, *STORE, ReplayIsRunning, OSError)


@contextmanager
def once_begun() -> Iterator[None]:
    """Around all that follows the receipt."""
    try:
        yield
    except IN_THE_WAY as failed:
        raise ForgettingUnderWay(why=why_of(failed)) from failed


def why_of(failed: Exception) -> str:
    """What the store says of one append is not so of the whole: that nothing was stored."""
    match failed:
        case StoreIsBusy() | Contended():
            return "the store is busy"
        case StoreIsClosed():
            return "the service is stopping"
        case ReplayIsRunning():
            return str(failed).rstrip(".")
        case OSError():
            return f"the journal of erasures cannot be written ({failed.strerror})"
        case _:
            return afterwards.why_of(failed)
