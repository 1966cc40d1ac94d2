"""Whatever is frozen for longer than anybody waits: everybody else goes on, and nothing is stored twice.

`KILL_ROUNDS` says how often each of them is frozen.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from service.store.connections import connect
from service.store.patience import StorePatience
from tests.crash.witness import PATIENCE, Told, Writing, check
from tests.crash.writing import TASKS

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
pytestmark = pytest.mark.timeout(90 + 60 * ROUNDS)
LONGER_THAN_ANYBODY_WAITS = StorePatience().asked + 1
STANDS_STILL = """
SELECT state_change FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'hansard writer' AND xact_start IS NOT NULL
    AND wait_event = 'ClientRead'"""
WRITERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'hansard writer'"""


def freeze_in_mid_append(process: Writing, connection: psycopg.Connection[Any]) -> None:
    """At random moments, until it is one at which the process has begun an append and not ended it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, "it was never caught in an append"
        process.freeze()
        before = connection.execute(STANDS_STILL).fetchall()
        time.sleep(0.05)
        if before and set(before) & set(connection.execute(STANDS_STILL).fetchall()):
            return
        process.thaw()
        process.wait_for_more(1)
        time.sleep(random.uniform(0, 0.02))  # noqa: S311


def test_a_worker_that_is_frozen_in_mid_append_holds_nobody_up(dsn: str) -> None:
    told = Told()
    with Writing(dsn, told) as frozen, Writing(dsn, told) as going, connect(dsn) as connection:
        for _ in range(ROUNDS):
            going.wait_for_more(10)
            freeze_in_mid_append(frozen, connection)
            going.wait_for_more(TASKS + 1, LONGER_THAN_ANYBODY_WAITS)
            assert not told.refused, "somebody was told that the database did not answer"
            time.sleep(LONGER_THAN_ANYBODY_WAITS)
            frozen.thaw()
            frozen.wait_for_more(10)
            told.refused.clear()
        for process in (frozen, going):
            process.stop()
    check(dsn, told)


@contextmanager
def frozen_sessions(connection: psycopg.Connection[Any]) -> Iterator[None]:
    pids = [pid for (pid,) in connection.execute(WRITERS)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_session_that_is_frozen_is_given_up_and_what_it_held_is_stored_once(dsn: str) -> None:
    """It may hold the lane's lock: then nobody can write, and everybody is told so in time."""
    told = Told()
    with Writing(dsn, told) as process, connect(dsn) as connection:
        for _ in range(ROUNDS):
            process.wait_for_more(random.randint(10, 100))  # noqa: S311
            with frozen_sessions(connection):
                time.sleep(LONGER_THAN_ANYBODY_WAITS)
            process.wait_for_more(50)
        process.stop()
    check(dsn, told)
