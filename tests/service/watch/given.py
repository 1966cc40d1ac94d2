"""Logs of some length, and what somebody has changed about what is known of them."""

from uuid import uuid4

from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import connect
from tests.service.store.appending import asked, said, started, storing

PROJECTIONS = projections_of(Settings())
WRITTEN = tuple(each for each in PROJECTIONS if each.with_append)


def append(dsn: str, events: int) -> None:
    with storing(dsn, WRITTEN) as store:
        more = (said() for _ in range(events - 1))
        store.append_blocking(asked(store, uuid4(), started(*more)))


def change(dsn: str, statement: str) -> None:
    with connect(dsn) as connection:
        assert connection.execute(statement.encode()).rowcount, statement
