"""`hansard import`: what it takes a file for, what goes together, and what a kill leaves behind."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from domain.events import ConversationStarted, MessageAdded
from service.cli.main import main
from service.hansard import prepare
from service.settings.settings import Settings
from service.transfer.incoming import Incoming
from tests.conftest import SHARDS
from tests.service.store.appending import lane_held, rows, wait_until_blocked
from tests.service.transfer.chatgpt.exports import as_json, talk
from tests.service.transfer.test_export_import import file_of, holds
from tests.service.transfer.test_import_conversations import taken
from tests.serving import HANSARD, hansard


@pytest.fixture
def there(empty_dsn: str) -> str:
    prepare(Settings(shards=SHARDS), empty_dsn)
    return empty_dsn


def count(dsn: str) -> int:
    return int(rows(dsn, "SELECT count(*) FROM events")[0][0])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "either a FILE or --from-dsn"),
        (["FILE", "--from-dsn", "postgresql://x"], "either a FILE or --from-dsn"),
        (["FILE", "--dry-run"], "they need a --from-dsn"),
        (["FILE"], "--user must say whose it becomes"),
    ],
)
def test_what_does_not_go_together_is_said(
    dsn: str, tmp_path: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(as_json(tmp_path / "c.json", talk()))
    assert main(["import", "--dsn", dsn, *(place if each == "FILE" else each for each in arguments)]) == 2
    assert why in capsys.readouterr().err


def test_the_command_of_its_own_process_does_the_same(dsn: str, tmp_path: Path) -> None:
    as_json(tmp_path / "export" / "conversations.json", talk())
    done = hansard("import", str(tmp_path / "export"), "--user", "ann", "--dsn", dsn)
    assert done.returncode == 0, done.stderr
    assert "Imported 1 conversations: 2 messages, 3 events" in done.stdout


def test_what_comes_by_a_pipe_is_imported_as_from_a_file(dsn: str, there: str) -> None:
    taken(dsn, Incoming("ann", UUID(int=1), [(datetime(2024, 1, 1, tzinfo=UTC), ConversationStarted())]))
    piped = f"{HANSARD} export --dsn '{dsn}' | {HANSARD} import - --dsn '{there}'"
    told = subprocess.run(["/bin/sh", "-c", piped], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "Imported 1 conversations: 0 messages, 1 events" in told.stdout
    assert file_of(there) == file_of(dsn)


def test_a_file_that_is_not_there_is_named(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(tmp_path / "none.jsonl"), "--dsn", dsn]) == 1
    assert "none.jsonl is nothing that can be imported: it cannot be read" in capsys.readouterr().err


def test_for_another_user_what_was_exported_becomes_hers(
    dsn: str, there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken(dsn, Incoming("ann", UUID(int=1), [(datetime(2024, 1, 1, tzinfo=UTC), ConversationStarted())]))
    path = tmp_path / "file.jsonl"
    path.write_bytes(file_of(dsn)[:-20])
    assert main(["import", str(path), "--dsn", there, "--user", "eve"]) == 1
    assert "--unchecked imports it as it is" in capsys.readouterr().err
    assert main(["import", str(path), "--dsn", there, "--user", "eve", "--unchecked"]) == 0
    assert rows(there, "SELECT DISTINCT user_id FROM events") == [("eve",)]


def test_killed_in_the_middle_and_run_again_it_is_complete_and_there_once(
    dsn: str, there: str, tmp_path: Path
) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(40):
        events = [
            ConversationStarted(),
            *(MessageAdded(f"m{each}", "user", "x" * 5_000) for each in range(100)),
        ]
        talk_of = [(at, event) for event in events]
        taken(dsn, Incoming(f"user {number % 5}", UUID(int=number + 1), talk_of))
    path = tmp_path / "file.jsonl"
    path.write_bytes(file_of(dsn))
    command = [
        sys.executable,
        "-c",
        "import sys; from service.cli.main import main; sys.exit(main())",
        "import",
        str(path),
        "--dsn",
        there,
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not count(there):
        assert running.poll() is None, running.communicate()
    with lane_held(there):
        wait_until_blocked(there)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert 0 < count(there) < count(dsn)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert path.read_bytes() == file_of(there)
    holds(there)
    once_more = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Imported 0 conversations" in once_more.stdout
    assert "40 conversations were here already" in once_more.stdout
