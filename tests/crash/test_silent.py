"""Connections, or all of PostgreSQL, that say nothing for long: callers are told so in time, all goes on by
itself, and nothing is stored twice.

`KILL_ROUNDS` says how often the connections of a process fall silent.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from psycopg.conninfo import make_conninfo

from service.hansard import prepare
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from tests.conftest import SHARDS, UNSAFE_BUT_FAST
from tests.crash.witness import Told, Writing, check, check_everything_else
from tests.proxy import proxied
from tests.service.api.recording import at_once
from tests.service.api.test_database_away import said, start, until_it_answers
from tests.service.api.test_silence import problems, told, told_what_is_there, until_ready

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
STOPPED_FOR = 40.0
pytestmark = pytest.mark.timeout(180 + 30 * ROUNDS)


def test_connections_that_fall_silent_under_load_are_replaced_and_all_is_stored_once(dsn: str) -> None:
    heard = Told()
    with proxied(dsn) as proxy, Writing(proxy.dsn, heard) as process:
        for _ in range(ROUNDS):
            process.wait_for_more(random.randint(10, 100))  # noqa: S311
            proxy.silence()
            process.wait_for_more(50)
        process.stop()
    check(dsn, heard)


@contextmanager
def stopped(server: EmbeddedPostgres) -> Iterator[None]:
    """Every one of its processes stands still, with every connection open."""
    pid = server.server_pid()
    assert pid is not None
    postmaster = psutil.Process(pid)
    postmaster.suspend()  # before the others, so that it starts none
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


async def test_while_all_of_postgresql_stands_still_everybody_is_told_so_in_time(data: Path) -> None:
    with EmbeddedPostgres(data, options=UNSAFE_BUT_FAST) as server:
        dsn = make_conninfo(server.dsn)
        prepare(Settings(shards=SHARDS), dsn)
        async with at_once(dsn) as (client, _):
            conversation_id = await start(client)
            there = await told(client, conversation_id, "before")
            rounds = 0
            with stopped(server):
                until = time.monotonic() + STOPPED_FOR
                while time.monotonic() < until:
                    rounds += 1
                    assert not await told(client, conversation_id, *(f"{rounds}-{n}" for n in range(3)))
                    assert not await told_what_is_there(client, conversation_id)
                    assert await problems(client)
                    assert (await client.get("/health/live")).status_code == 200
            await until_it_answers(client, conversation_id)
            await until_ready(client)
            there += await told(client, conversation_id, "after")
            found = await said(client, conversation_id)
            assert set(there) == {"before", "after"} <= set(found)
            assert len(found) == len(set(found)), "nothing is there twice"
        check_everything_else(dsn)
