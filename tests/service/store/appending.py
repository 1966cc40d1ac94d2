"""What the store's tests append, and how they look at what is there."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.events import ConversationStarted, Event, MessageAdded
from projections.projection import Projection
from service.store.append import Append, CommandKey, append_of
from service.store.connections import Database, connect
from service.store.log import DatabaseLog
from service.store.patience import StorePatience
from service.store.store import Store, shard_of
from tests.cluster import ACTIVITY

USER = "ann"
BLOCKED = f"""
    SELECT count(*) FROM {ACTIVITY}
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""  # noqa: S608 - a view's name


def said(text: str = "hello", message_id: str | None = None) -> MessageAdded:
    return MessageAdded(message_id=message_id or str(uuid4()), role="user", content=text)


def started(*more: Event) -> Sequence[Event]:
    return (ConversationStarted(), *more)


@contextmanager
def storing(
    dsn: str, projections: Sequence[Projection] = (), patience: StorePatience | None = None, **more: Any
) -> Iterator[Store]:
    with closing(Store(Database.open(dsn, patience), projections, **more)) as store:
        store.start()
        yield store


def asked(
    store: Store,
    conversation_id: UUID,
    events: Sequence[Event],
    expected: int | None = None,
    command: CommandKey | None = None,
    user_id: str = USER,
) -> Append:
    return append_of(
        store.shard_of(user_id),
        conversation_id,
        events,
        datetime.now(UTC),
        user_id=user_id,
        actor=user_id,
        expected=expected,
        command=command,
    )


def rows(dsn: str, query: str, *given: Any) -> list[tuple[Any, ...]]:
    with connect(dsn) as connection:
        return connection.execute(query.encode(), given).fetchall()


@contextmanager
def lane_held(dsn: str, user_id: str = USER) -> Iterator[psycopg.Connection[Any]]:
    """No append of theirs commits until it is let go."""
    log = DatabaseLog()
    with connect(dsn) as connection, connection.transaction():
        log.lock(connection, [shard_of(user_id, len(log.shards(connection)))])
        yield connection


def wait_until_blocked(dsn: str, count: int = 1) -> None:
    """Until so many other sessions of this database wait for a lock that somebody holds."""
    with connect(dsn) as connection:
        while connection.execute(BLOCKED.encode()).fetchall() < [(count,)]:
            pass


async def until(condition: Callable[[], bool]) -> None:
    """Lets the other tasks run until it is so."""
    while not condition():  # noqa: ASYNC110 - what it waits for is another thread's, which sets no event for tests
        await asyncio.sleep(0)
