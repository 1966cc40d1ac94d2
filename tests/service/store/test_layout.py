"""Which shards lie together changes under nobody who appends."""

import threading
from concurrent.futures import Future
from uuid import uuid4

import pytest

from service.store.connections import connect
from service.store.errors import StoreUnavailable
from service.store.layout import LayoutInUse, held_by_nobody, lanes
from service.store.patience import StorePatience
from service.store.store import Store
from tests.conftest import SHARDS
from tests.service.store.appending import asked, rows, started, storing, wait_until_blocked

LAY_OUT = "UPDATE layout SET lane = shard %% 2"


def test_one_server_has_one_lane(dsn: str) -> None:
    with connect(dsn) as connection:
        assert lanes(connection) == [list(range(SHARDS))]
        connection.execute(LAY_OUT.encode(), ())
        assert lanes(connection) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_shards_are_not_laid_out_anew_while_somebody_appends(dsn: str) -> None:
    with storing(dsn) as store:
        append(store)
        with (
            connect(dsn) as connection,
            pytest.raises(LayoutInUse, match=r"stop every process of Hansard first(.|\n)*hansard writer"),
            held_by_nobody(connection),
        ):
            raise AssertionError("it was held by a writer")


def test_who_connects_meanwhile_appends_when_it_is_done(dsn: str) -> None:
    with storing(dsn) as store:
        with connect(dsn) as connection, held_by_nobody(connection):
            stored = appending(store)
            wait_until_blocked(dsn)
            assert rows(dsn, "SELECT count(*) FROM events") == [(0,)]
        assert stored.result(10) == 1
        assert rows(dsn, "SELECT count(*) FROM events") == [(1,)]


def test_a_process_that_began_with_another_layout_appends_nothing(dsn: str) -> None:
    """It would lock another row than the others before it appends to a shard."""
    patience = StorePatience(asked=3.0)  # long enough that connecting is answered
    with storing(dsn, patience=patience) as store:
        with connect(dsn) as connection, held_by_nobody(connection):
            connection.execute(LAY_OUT.encode(), ())
        with pytest.raises(StoreUnavailable, match="laid out anew"):
            append(store)
    with storing(dsn) as store:
        append(store)
        assert len(store.lanes) == 2
    assert rows(dsn, "SELECT count(*) FROM events") == [(1,)]


def append(store: Store) -> int:
    return store.append_blocking(asked(store, uuid4(), started())).version


def appending(store: Store) -> "Future[int]":
    done: Future[int] = Future()

    def run() -> None:
        try:
            done.set_result(append(store))
        except BaseException as failed:
            done.set_exception(failed)

    threading.Thread(target=run, daemon=True).start()
    return done
