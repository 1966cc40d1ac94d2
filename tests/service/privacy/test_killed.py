"""A process that is killed in the middle of an erasure leaves one that whoever starts next finishes."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from service.cli.main import main
from service.hansard import running
from service.settings.settings import Settings
from service.store.connections import Database, connect
from service.verify.log import verify_log
from tests.conftest import SHARDS
from tests.listening import eventually
from tests.service.privacy.dumping import dumped, rows_of
from tests.service.privacy.marking import MARKER, OTHER, USER, by, marked
from tests.service.store.appending import rows, wait_until_blocked
from tests.service.verify.tampering import follow
from tests.serving import HANSARD, clean, serving

CONVERSATIONS = 20
"""More than are erased side by side."""
LAST = "(SELECT max(conversation_id::text)::uuid FROM hansard.events WHERE user_id = %(user)s)"
HOLD = {
    "before the first is erased": "LOCK TABLE hansard.lanes IN EXCLUSIVE MODE",
    "before the log of the last ones is emptied": f"""
        SELECT FROM hansard.events WHERE conversation_id = {LAST} AND version = 3 FOR UPDATE""",
    "before the projections of the last ones are": f"""
        SELECT FROM hansard.history_g1 WHERE conversation_id = {LAST} FOR UPDATE""",
    "before the record of reads is": "LOCK TABLE hansard.reads IN EXCLUSIVE MODE",
}
ERASING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hansard eraser'"
BEGUN = "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL"


@contextmanager
def held(dsn: str, what: str) -> Iterator[None]:
    """Whoever erases is known to wait there, until it is let go."""
    with connect(dsn) as connection, connection.transaction():
        connection.execute(HOLD[what].encode(), {"user": USER})
        yield


@pytest.fixture
def others(dsn: str) -> dict[str, list[str]]:
    async def said() -> UUID:
        async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
            for _ in range(CONVERSATIONS):
                await marked(hansard)
            return await marked(hansard, OTHER, "innocent")

    asyncio.run(said())
    follow(dsn)
    return rows_of(dsn, OTHER)


def finished_once(dsn: str, others: dict[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    ((receipt, counts),) = rows(dsn, "SELECT id::text, counts FROM hansard.receipts")
    assert (counts["conversations"], counts["messages"], counts["events"]) == (20, 40, 220)
    assert counts["history_rows"] == 40
    assert MARKER not in dumped(dsn)
    assert rows_of(dsn, OTHER) == others
    assert verify_log(Database.open(dsn)).faults == ()
    capsys.readouterr()
    assert main(["erase", "--dsn", dsn, "--user", USER, "--yes"]) == 0
    assert f"Receipt {receipt}: erased 20 conversations, 40 messages" in capsys.readouterr().out
    assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(1,)]


@pytest.mark.parametrize("where", HOLD)
def test_a_command_that_is_killed_is_gone_on_with(
    dsn: str, others: dict[str, list[str]], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(HANSARD), "erase", "--dsn", dsn, "--user", USER, "--yes"]
    with held(dsn, where):
        with subprocess.Popen(command, env=clean({})) as erasing:
            wait_until_blocked(dsn)
            erasing.kill()
        assert rows(dsn, BEGUN) == [(1,)]
    eventually(lambda: rows(dsn, ERASING) == [(0,)])  # PostgreSQL has noticed
    assert main(["erase", "--dsn", dsn, "--unfinished"]) == 0
    finished_once(dsn, others, capsys)


def test_a_service_that_is_killed_goes_on_when_it_starts_again(
    dsn: str, others: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "data", tmp_path / "output"
    with serving("--dsn", dsn, data=data, output=output) as service:

        def ask() -> None:
            with suppress(httpx.TransportError):
                httpx.post(f"{service.url}/api/users/{USER}/erase", headers=by(USER), timeout=60)

        asking = threading.Thread(target=ask)
        with held(dsn, "before the log of the last ones is emptied"):
            asking.start()
            wait_until_blocked(dsn)
            os.killpg(service.process.pid, signal.SIGKILL)
            asking.join()
        assert rows(dsn, BEGUN) == [(1,)]
    with serving("--dsn", dsn, data=data, output=output):
        eventually(lambda: rows(dsn, BEGUN) == [(0,)])
    finished_once(dsn, others, capsys)
