"""After a commit: whatever fails then must not be answered as if nothing had been stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from projections.errors import ConversationIsParked, ProjectionBehind, ProjectionNotBuilt
from service.store.errors import AnswerLost

NOT_READ: Final = (ConversationIsParked, ProjectionBehind, ProjectionNotBuilt)
DATABASE_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    PoolClosed,
    TooManyRequests,
)
AWAY: Final = (*NOT_READ, *DATABASE_AWAY)


@contextmanager
def once_stored(**facts: Any) -> Iterator[None]:
    """Around what is read only to tell of it; the facts go with the problem."""
    try:
        yield
    except AWAY as failed:
        raise AnswerLost(why=why_of(failed), **facts) from failed


def why_of(failed: Exception) -> str:
    """Without what the driver says, which tells of addresses."""
    return str(failed).rstrip(".") if isinstance(failed, NOT_READ) else "the database does not answer"
