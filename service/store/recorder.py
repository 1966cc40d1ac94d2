"""The log as a persistence module of the `eventsourcing` library: one shard is one application sequence.

Set PERSISTENCE_MODULE to `service.store.recorder`, HANSARD_DSN to the database, and HANSARD_SHARD to the
shard (0 if it is not set): any Application, Repository or ProjectionRunner of the library then works on it.
It keeps events of its own there, and reads Hansard's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Thread
from typing import Any, Final, NoReturn
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    ListenNotifySubscription,
    Mapper,
    Notification,
    OperationalError,
    ProcessRecorder,
    ProgrammingError,
    StoredEvent,
    TrackingRecorder,
)
from eventsourcing.utils import Environment
from msgspec import Struct
from psycopg_pool import ConnectionPool

from domain.errors import Refusal, VersionConflict
from domain.events import Event
from domain.recorded import Foreign
from projections.following.wake import CHANNEL
from service.store.append import append_of
from service.store.codec import CODEC, decode
from service.store.connections import Database
from service.store.store import Store

ORDERS: Final = {False: "ASC", True: "DESC"}
EVENTS: Final = """
SELECT version, topic, state FROM events
WHERE shard = %(shard)s AND conversation_id = %(id)s
  AND version > COALESCE(%(gt)s::bigint, -1) AND version <= COALESCE(%(lte)s::bigint, 9223372036854775807)
ORDER BY version {order} LIMIT %(limit)s"""
NOTIFICATIONS: Final = """
SELECT position, conversation_id, version, topic, state FROM events
WHERE shard = %(shard)s AND position >= %(start)s
  AND position <= COALESCE(%(stop)s::bigint, 9223372036854775807)
  AND (%(all)s OR topic = ANY(%(topics)s))
ORDER BY position LIMIT %(limit)s"""
LAST: Final = "SELECT position FROM events WHERE shard = %(shard)s ORDER BY position DESC LIMIT 1"


class LibraryEvent(Struct, frozen=True):
    """One of Hansard's own events, as the library carries events about."""

    originator_id: UUID
    originator_version: int
    event: Event


class FactMapper(Mapper[UUID]):
    """Reads Hansard's events as Facts, and the library's as the library does: set MAPPER_TOPIC to it."""

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        if stored_event.topic not in CODEC.types:
            return super().to_domain_event(stored_event)
        event = decode(stored_event.topic, stored_event.state or None)
        return LibraryEvent(as_uuid(stored_event.originator_id), stored_event.originator_version, event)


class ShardRecorder(ApplicationRecorder):
    """One shard, for threads. A stored event without words, because they were erased, has an empty state."""

    def __init__(self, database: Database, store: Store, pool: ConnectionPool[Any], shard: int = 0) -> None:
        if not 0 <= shard < store.shards:
            raise ProgrammingError(f"there is no shard {shard}: this database has 0 to {store.shards - 1}")
        self.database = database
        self._store = store
        self._pool = pool
        self._shard = shard

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        if not stored_events:
            return []
        if ours := {each.topic for each in stored_events} & CODEC.types.keys():
            raise ProgrammingError(f"{sorted(ours)}: conversations are changed through Hansard only")
        now = datetime.now(UTC)
        parts = [
            append_of(
                self._shard,
                as_uuid(run[0].originator_id),
                [Foreign(topic=each.topic, state=each.state) for each in run],
                now,
                first=run[0].originator_version,
            )
            for run in runs(stored_events)
        ]
        append = parts[0]
        append.also = tuple(parts[1:])
        try:
            self._store.append_blocking(append)
        except VersionConflict as conflict:
            raise IntegrityError(str(conflict)) from conflict
        except Refusal as refusal:
            raise OperationalError(str(refusal)) from refusal
        return [position for part in parts for position in positions_of(part)]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        given = {"shard": self._shard, "id": as_uuid(originator_id), "gt": gt, "lte": lte, "limit": limit}
        return [
            StoredEvent(originator_id, version, topic, state or b"")
            for version, topic, state in self._rows(EVENTS.format(order=ORDERS[desc]), given)
        ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 0 if start is None else start if inclusive_of_start else start + 1
        given: dict[str, Any] = {"shard": self._shard, "start": first, "stop": stop, "limit": limit}
        given |= {"all": not topics, "topics": list(topics)}
        return [
            Notification(conversation_id, version, topic, state or b"", position)
            for position, conversation_id, version, topic, state in self._rows(NOTIFICATIONS, given)
        ]

    def max_notification_id(self) -> int | None:
        rows = self._rows(LAST, {"shard": self._shard})
        return rows[0][0] if rows else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> ListenNotifySubscription[ApplicationRecorder]:
        return ShardSubscription(self, gt, topics)

    def _rows(self, query: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with self._pool.connection() as connection:
                cursor: psycopg.Cursor[tuple[Any, ...]] = connection.cursor(binary=True)
                return cursor.execute(query.encode(), given).fetchall()
        except psycopg.Error as failed:
            raise OperationalError(str(failed)) from failed


class ShardSubscription(ListenNotifySubscription[ApplicationRecorder]):
    """Looks when it is told of an append, and once a second, since listeners die silently."""

    def __init__(self, recorder: ShardRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._database = recorder.database
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listener.join()

    def _listen(self) -> None:
        while not self._has_been_stopped:
            try:
                with self._database.connect("hansard subscription") as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    while not self._has_been_stopped:
                        for _ in connection.notifies(timeout=0.2, stop_after=1):
                            pass
                        self._has_been_notified.set()
            except psycopg.OperationalError as lost:
                self._thread_error = self._thread_error or OperationalError(str(lost))
                self.stop()


class Factory(InfrastructureFactory[TrackingRecorder]):
    """What PERSISTENCE_MODULE resolves to."""

    def __init__(self, env: Environment | dict[str, str] | None) -> None:
        super().__init__(env)
        dsn = self.env.get("HANSARD_DSN")
        if not dsn:
            raise ProgrammingError("HANSARD_DSN is not set: give it the address of Hansard's database")
        self._shard = int(self.env.get("HANSARD_SHARD") or 0)
        self._database = Database.open(dsn)
        self._store = Store(self._database)
        self._store.start()
        self._pool = ConnectionPool(
            self._database.conninfo, min_size=1, max_size=8, kwargs={"autocommit": True}, open=True
        )

    def application_recorder(self) -> ShardRecorder:
        return ShardRecorder(self._database, self._store, self._pool, self._shard)

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        if purpose == "events":
            return self.application_recorder()
        raise ProgrammingError(f"the log keeps events only; keep {purpose} in another persistence module")

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> NoReturn:
        raise ProgrammingError("the log keeps events only; keep a view in another persistence module")

    def process_recorder(self) -> ProcessRecorder:
        raise ProgrammingError("the log keeps events only; keep a process in another persistence module")

    def close(self) -> None:
        self._store.close()
        self._pool.close()


def runs(stored_events: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    """Neighbours that follow each other in one sequence; the log's order is the order that was given."""
    found: list[list[StoredEvent]] = []
    for each in stored_events:
        last = found[-1][-1] if found else None
        if last and (last.originator_id, last.originator_version + 1) == (
            each.originator_id,
            each.originator_version,
        ):
            found[-1].append(each)
        else:
            found.append([each])
    return found


def positions_of(part: Any) -> range:
    last = part.placed.position
    return range(last - len(part.events) + 1, last + 1)


def as_uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
