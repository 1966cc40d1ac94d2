"""Logs to measure on, appended through the store, so that they are what a service would have written."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Final, Self
from uuid import UUID

from msgspec import Struct

from domain.events import ConversationStarted, Event
from projections.following.follower import Follower
from projections.generations import install, not_built
from projections.projection import Projection
from projections.rebuilding.loaders import processes_here
from projections.rebuilding.rebuild import Rebuild, Rebuilt
from service.bench.messages import messages
from service.store.append import Append, append_of
from service.store.connections import Database, connect
from service.store.ids import new_id
from service.store.log import DatabaseLog
from service.store.migrations import migrate
from service.store.store import Store

CONVERSATIONS: Final = 10
"""Of each user."""
AT_ONCE: Final = 64
SLICE: Final = 10
"""So many messages of a conversation lie side by side in the log, as from one sitting."""


class Shape(Struct, frozen=True):
    users: int
    messages: int
    """In each of a user's ten conversations."""

    @classmethod
    def of(cls, events: int) -> Self:
        """Users of a thousand messages each; of fewer in a small log, so that there are some users."""
        each = 100 if events >= 1_000_000 else 50
        return cls(max(1, events // (CONVERSATIONS * each)), each)

    @property
    def events(self) -> int:
        return self.users * CONVERSATIONS * self.messages


class Talk(Struct, frozen=True):
    """Whose conversation, and which."""

    user_id: str
    conversation_id: UUID


class Loaded(Struct, frozen=True):
    dsn: str
    shape: Shape
    talks: list[Talk]

    @property
    def events(self) -> int:
        return self.shape.events

    def number_of(self, talk: int) -> int:
        """Of the first message of a conversation, as `messages` counts them."""
        return talk * SLICE


def prepare(dsn: str, projections: Sequence[Projection]) -> None:
    """An empty log, and these projections of it."""
    migrate(dsn)
    with Database.open(dsn).connect() as connection:
        install(connection, projections, DatabaseLog())


def load(dsn: str, shape: Shape, say: Callable[[str], None]) -> Loaded:
    """Its projections are not built yet."""
    migrate(dsn)
    talks = [Talk(f"user-{user}", new_id()) for _ in range(CONVERSATIONS) for user in range(shape.users)]
    with closing(Store(Database.open(dsn))) as store:
        store.start()
        asyncio.run(fill(store, sittings(store, shape, talks), say))
    with connect(dsn) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return Loaded(dsn, shape, talks)


async def fill(store: Store, appends: Iterable[Append], say: Callable[[str], None]) -> None:
    """Many at a time, each stored once it is acknowledged; those of one lane are stored in this order."""
    started = told = time.monotonic()
    done = 0
    waiting: set[asyncio.Future[object]] = set()
    for append in appends:
        waiting.add(asyncio.ensure_future(store.append(append)))
        done += len(append.events)
        if len(waiting) >= AT_ONCE:
            finished, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in finished:
                each.result()
        if time.monotonic() > told + 5:
            told = time.monotonic()
            say(f"loading: {done:,} events, {done / (told - started):,.0f}/s")
    await asyncio.gather(*waiting)
    say(f"loaded {done:,} events, {done / (time.monotonic() - started):,.0f}/s")


def sittings(store: Store, shape: Shape, talks: list[Talk]) -> Iterator[Append]:
    """Sitting after sitting of all conversations."""
    number = 0
    for first in range(0, shape.messages, SLICE):
        size = min(SLICE, shape.messages - first)
        for talk in talks:
            events: list[Event] = [] if first else [ConversationStarted()]
            events += messages(number, size)
            number += size
            yield asked(store, talk, events)


def asked(store: Store, talk: Talk, events: list[Event], expected: int | None = None) -> Append:
    return append_of(
        store.shard_of(talk.user_id),
        talk.conversation_id,
        events,
        datetime.now(UTC),
        user_id=talk.user_id,
        actor=talk.user_id,
        expected=expected,
    )


def build(dsn: str, projections: tuple[Projection, ...]) -> Rebuilt:
    """New builds of these projections, as `hansard replay` makes them."""
    database = Database.open(dsn)
    return Rebuild(database.connect, DatabaseLog(), projections, processes=processes_here()).run()


def bring_up(dsn: str, projections: tuple[Projection, ...], say: Callable[[str], None]) -> None:
    """Every projection built, and at the end of the log."""
    database, log = Database.open(dsn), DatabaseLog()
    with database.connect() as connection:
        missing = tuple(not_built(connection, projections))
    if missing:
        say(f"building {', '.join(each.name for each in missing)}")
        build(dsn, missing)
    Follower(database.connect, log, projections).run_once()
