"""Whatever is killed under load, at whatever moment: what was acknowledged is there once, and nothing half.

`KILL_ROUNDS` says how often each of them is killed; a long run has 50.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from service.hansard import prepare
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from service.store.connections import connect
from tests.conftest import SHARDS
from tests.crash.witness import PATIENCE, Told, Writing, check
from tests.crash.writing import TASKS

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
pytestmark = pytest.mark.timeout(60 + 30 * ROUNDS)
BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = ANY(%(names)s)"""
NAMES = ("hansard writer", "hansard writer", "hansard reader", "hansard follower")


@pytest.fixture
def durable() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own, which waits for the disk."""
    with tempfile.TemporaryDirectory(prefix="hansard-kills-") as place:
        Path(place).chmod(0o711)
        with EmbeddedPostgres(Path(place) / "data") as server:
            prepare(Settings(shards=SHARDS), server.dsn)
            yield server


def a_random_moment(longest: float) -> None:
    """It is the point that nobody chose it."""
    time.sleep(random.uniform(0, longest))  # noqa: S311


def test_a_writing_process_that_is_killed_leaves_what_was_acknowledged_and_nothing_half(dsn: str) -> None:
    told = Told()
    for _ in range(ROUNDS):
        with Writing(dsn, told) as process:
            told.wait_for_more(random.randint(1, 200))  # noqa: S311
            a_random_moment(0.05)
            process.kill()
        check(dsn, told)


def test_of_two_processes_that_write_to_the_same_conversations_one_is_killed_again_and_again(
    dsn: str,
) -> None:
    """Each makes stale what the other remembers of the log, all the time."""
    told = Told()
    with Writing(dsn, told, shared=True) as lasting:
        for stale in range(1, ROUNDS + 1):
            with Writing(dsn, told, shared=True) as process:
                process.wait_for_more(random.randint(1, 200))  # noqa: S311
                told.wait(lambda told, wanted=stale: told.stale >= wanted)  # type: ignore[misc]
                a_random_moment(0.05)
                process.kill()
        lasting.stop()
    check(dsn, told)


def test_a_server_that_is_killed_and_comes_back_is_written_to_by_the_same_process(
    durable: EmbeddedPostgres,
) -> None:
    told = Told()
    with Writing(durable.dsn, told) as process:
        for _ in range(ROUNDS):
            told.wait_for_more(random.randint(20, 200))  # noqa: S311
            a_random_moment(0.05)
            kill_server(durable)
            a_random_moment(0.5)
            assert durable.revive()
        told.wait_for_more(20)
        process.stop()
    check(durable.dsn, told)


def test_of_what_was_refused_while_the_server_was_gone_nothing_is_there(durable: EmbeddedPostgres) -> None:
    told = Told()
    with Writing(durable.dsn, told, patience=1.0, patience_in_doubt=1.5) as process:
        for _ in range(ROUNDS):
            told.wait_for_more(random.randint(20, 200))  # noqa: S311
            a_random_moment(0.05)
            wanted = told.troubles() + TASKS
            kill_server(durable)
            told.wait_for_troubles(wanted)
            assert durable.revive()
        told.wait_for_more(20)
        process.stop()
    check(durable.dsn, told)


def test_sessions_that_are_terminated_at_any_moment_lose_and_double_nothing(dsn: str) -> None:
    told = Told()
    with Writing(dsn, told) as process, connect(dsn) as connection:
        for _ in range(ROUNDS * 5):
            told.wait_for_more(random.randint(1, 50))  # noqa: S311
            a_random_moment(0.02)
            terminate_some(connection)
        told.wait_for_more(20)
        process.stop()
    assert not told.refused
    check(dsn, told)


def kill_server(server: EmbeddedPostgres) -> None:
    pid = server.server_pid()
    assert pid is not None
    postmaster = psutil.Process(pid)
    postmaster.kill()
    postmaster.wait(PATIENCE)


def terminate_some(connection: psycopg.Connection[tuple[int]]) -> None:
    names = [random.choice(NAMES)]  # noqa: S311
    for (pid,) in connection.execute(BACKENDS, {"names": names}).fetchall():
        connection.execute("SELECT pg_terminate_backend(%s::integer)", [pid])
