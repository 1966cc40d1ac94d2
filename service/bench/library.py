"""The other side: the `eventsourcing` library with its own PostgreSQL module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from service.bench.messages import message
from service.store.codec import encode

CONNECTIONS: Final = 15


@contextmanager
def recorder(dsn: str) -> Iterator[PostgresApplicationRecorder]:
    """With as many connections as it takes where nothing else is said."""
    given = environment(dsn)
    datastore = PostgresDatastore(
        given["POSTGRES_DBNAME"],
        given["POSTGRES_HOST"],
        given["POSTGRES_PORT"],
        given["POSTGRES_USER"],
        given["POSTGRES_PASSWORD"],
        pool_size=CONNECTIONS,
    )
    with datastore:
        made = PostgresApplicationRecorder(datastore)
        made.create_table()
        yield made


class Saver:
    """Saves events of one aggregate, each with the bytes that Hansard stores for a message."""

    def __init__(self, recorder: PostgresApplicationRecorder) -> None:
        self._recorder = recorder
        self._id = uuid4()
        self._version = 0

    def save(self, count: int = 1) -> None:
        self._recorder.insert_events([self._next() for _ in range(count)])

    def _next(self) -> StoredEvent:
        self._version += 1
        return stored(self._id, self._version)


def stored(originator_id: UUID, version: int) -> StoredEvent:
    topic, state = encode(message(version))
    return StoredEvent(originator_id, version, topic, state)


def environment(dsn: str) -> dict[str, str]:
    """The settings by which the library finds a database."""
    given = conninfo_to_dict(dsn)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(given.get("dbname") or ""),
        "POSTGRES_HOST": str(given.get("host") or ""),
        "POSTGRES_PORT": str(given.get("port") or 5432),
        "POSTGRES_USER": str(given.get("user") or ""),
        "POSTGRES_PASSWORD": str(given.get("password") or ""),
    }
