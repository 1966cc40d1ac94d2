"""One PostgreSQL for all who use a data folder, whatever happens to them, to it or to the folder."""

import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from service.postgres.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    FolderUnusable,
    OtherVersion,
    ServerDoesNotStart,
)
from tests.conftest import UNSAFE_BUT_FAST

START_AND_WAIT = """
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from service.postgres.embedded import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
print("up", flush=True)
sys.stdin.read()
"""


def embedded(data: Path, **options: str) -> EmbeddedPostgres:
    return EmbeddedPostgres(data, options={**UNSAFE_BUT_FAST, **options})


def put(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS facts (fact text)")
        connection.execute("INSERT INTO facts VALUES ('kept')")


def facts(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM facts").fetchone()
    assert row is not None
    return int(row[0])


def kill(pid: int | None) -> None:
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    process.wait(10)


def test_what_was_stored_is_there_at_the_next_start(data: Path) -> None:
    with embedded(data) as server:
        put(server)
    assert server.server_pid() is None
    with embedded(data) as server:
        assert facts(server) == 1


def test_text_is_utf8_and_sorts_the_same_on_every_machine(data: Path) -> None:
    with embedded(data) as server, psycopg.connect(server.dsn) as connection:
        row = connection.execute("SELECT current_setting('server_encoding'), upper('é')").fetchone()
    assert row == ("UTF8", "É")


def test_only_its_own_user_comes_to_the_socket_and_nothing_listens_on_the_network(data: Path) -> None:
    with embedded(data) as server:
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_ctrl_c_in_the_terminal_does_not_reach_the_server(data: Path) -> None:
    with embedded(data) as server:
        pid = server.server_pid()
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0)
        assert os.getpgid(pid) != os.getpgid(0)


def test_two_share_one_server_and_the_last_to_leave_stops_it(data: Path) -> None:
    first, second = embedded(data), embedded(data)
    first.start()
    second.start()
    assert first.server_pid() == second.server_pid()
    first.stop()
    put(second)
    second.stop()
    assert second.server_pid() is None


def test_the_server_of_a_killed_process_serves_the_next_one(data: Path) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        left_behind = embedded(data).server_pid()
        starter.kill()
    with embedded(data) as server:
        assert server.server_pid() == left_behind is not None
    assert server.server_pid() is None


def test_a_killed_server_is_recovered_at_the_next_start(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    put(server)
    kill(server.server_pid())
    server.stop()
    with EmbeddedPostgres(data) as server:
        assert facts(server) == 1


def test_a_server_killed_under_its_user_is_brought_back(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        put(server)
        assert not server.revive()
        kill(server.server_pid())
        assert server.revive()
        assert facts(server) == 1


def test_a_process_id_that_is_somebody_elses_after_a_reboot_is_no_hindrance(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    kill(server.server_pid())
    server.stop()
    note = data / "postgres" / "postmaster.pid"
    _, rest = note.read_text().split("\n", 1)
    with subprocess.Popen(["sleep", "60"], user=note.stat().st_uid) as stranger:
        note.write_text(f"{stranger.pid}\n{rest}")
        with EmbeddedPostgres(data) as server:
            assert server.server_pid() not in (None, stranger.pid)
        stranger.send_signal(signal.SIGTERM)


def test_a_database_that_was_cut_off_in_the_making_is_made_anew(data: Path) -> None:
    unfinished = data / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded(data) as server:
        put(server)
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_is_no_hindrance(data: Path) -> None:
    deep = data / ("a-long-name-" * 5) / ("another-long-name-" * 5)
    for _ in range(2):
        with embedded(deep) as server:
            put(server)
            assert data not in server.socket_folder.parents
            assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
    assert (deep / "socket.path").read_text() == str(server.socket_folder)
    server.socket_folder.rmdir()


def test_a_folder_with_a_name_that_a_shell_would_misread_is_no_hindrance(data: Path) -> None:
    with embedded(data / 'it\'s a $HOME; "folder"') as server:
        put(server)


def test_a_file_in_the_place_of_the_folder_is_named(data: Path) -> None:
    data.write_text("")
    with pytest.raises(
        FolderUnusable, match=f"^{data} is a file or lies below one: give a folder with --data$"
    ):
        embedded(data).start()
    with pytest.raises(FolderUnusable, match="is a file or lies below one"):
        embedded(data / "below").start()


def test_a_folder_of_another_version_is_left_alone(data: Path) -> None:
    cluster = data / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(
        OtherVersion, match="was made by PostgreSQL 15, and this Hansard brings PostgreSQL 18"
    ):
        embedded(data).start()


def test_a_folder_with_somebody_elses_files_is_left_alone(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "letters.txt").write_text("dear")
    with pytest.raises(FolderUnusable, match="holds files but no database"):
        embedded(data).start()
    assert (data / "postgres" / "letters.txt").read_text() == "dear"


def test_a_folder_that_may_not_be_written_is_named_in_one_line(data: Path) -> None:
    data.mkdir()
    data.chmod(0o555)
    with as_nobody_in_particular(), pytest.raises(FolderUnusable) as raised:
        embedded(data / "below").start()
    text = str(raised.value)
    assert text.endswith(f" may not use {data}/below: change its owner, or give another --data")
    assert "\n" not in text


@contextmanager
def as_nobody_in_particular() -> Iterator[None]:
    """Root may write everywhere, so for a moment root is somebody else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_server_that_does_not_start_points_to_its_log(data: Path) -> None:
    with embedded(data):
        pass
    with pytest.raises(ServerDoesNotStart, match=r"see .*postgres\.log: .*FATAL.*shared_buffers") as raised:
        embedded(data, shared_buffers="plenty").start()
    assert "\n" not in str(raised.value)


def test_a_start_that_failed_leaves_the_folder_to_the_next(data: Path) -> None:
    with pytest.raises(EmbeddedPostgresError):
        embedded(data, shared_buffers="plenty").start()
    with embedded(data) as server:
        put(server)
