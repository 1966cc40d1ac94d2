"""`hansard serve`, as people and orchestrators meet it: up, down, killed, started twice, misconfigured."""

import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil
import pytest
from granian.server.mp import WorkerProcess

from service.cli.serving.address import is_loopback
from service.cli.serving.respawning import LastingServer, pause_after
from service.postgres.embedded import EmbeddedPostgres
from tests.serving import HANSARD, Service, hansard, serving


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def until(so: Callable[[], object], service: Service) -> None:
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline, service.said
        time.sleep(0.02)


def test_it_says_where_the_page_the_api_and_the_data_are(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        assert f"page  {service.url}/\n" in service.said
        assert f"API   {service.url}/schema\n" in service.said
        assert f"data  {data} (embedded PostgreSQL)\n" in service.said
        assert httpx.get(service.url + "/").status_code == 200
        assert httpx.get(service.url + "/schema").status_code == 200


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_service_and_then_its_database(
    how: signal.Signals, data: Path, output: Path
) -> None:
    with serving(data=data, output=output) as service:
        assert service.stop(how) == 0
    assert EmbeddedPostgres(data).server_pid() is None
    assert "database system is shut down" in (data / "postgres.log").read_text()
    assert service.said.splitlines()[-1].startswith("  data  "), "the stop itself says nothing"


def test_a_ctrl_c_that_reaches_every_process_stops_it_without_a_complaint(data: Path, output: Path) -> None:
    with serving("--workers", "2", data=data, output=output) as service:
        os.killpg(service.process.pid, signal.SIGINT)
        assert service.process.wait(60) == 0
    assert "hansard:" not in service.said
    assert "error" not in service.said.lower()


def test_a_second_start_finds_the_database_and_makes_nothing_anew(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        assert "Making a new PostgreSQL" in service.said
    with serving(data=data, output=output) as service:
        assert service.said.startswith("Hansard ")


def test_a_signal_while_it_starts_stops_what_was_started(data: Path) -> None:
    command = [str(HANSARD), "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as starting:
        assert starting.stdout is not None
        assert starting.stderr is not None
        assert starting.stdout.readline().startswith("Making a new PostgreSQL")
        starting.terminate()
        assert starting.wait(60) == 0
        assert starting.stderr.read() == ""
    assert EmbeddedPostgres(data).server_pid() is None


def test_a_chatkit_server_that_there_is_not_is_named_in_one_line_and_nothing_is_started(data: Path) -> None:
    tried = hansard("serve", "--port", "0", "--data", str(data), HANSARD_CHATKIT_SERVER="support:Support")
    expected = "there is no module support; PYTHONPATH says where modules are"
    assert tried.stderr == f"hansard: HANSARD_CHATKIT_SERVER is 'support:Support', but {expected}\n"
    assert (tried.returncode, tried.stdout) == (2, "")
    assert not data.exists()


def test_a_port_that_is_taken_is_named_in_one_line_and_no_database_is_started(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tried = hansard("serve", "--port", str(port), "--data", str(data))
    expected = f"hansard: port {port} is taken by another program: give another with --port\n"
    assert (tried.returncode, tried.stderr) == (1, expected)
    assert not (data / "postgres").exists()


def test_a_host_that_is_not_this_machine_is_named_in_one_line(data: Path) -> None:
    tried = hansard("serve", "--host", "192.0.2.1", "--port", "0", "--data", str(data), HANSARD_AUTH="token")
    assert tried.returncode == 1
    assert tried.stderr.startswith("hansard: --host 192.0.2.1 cannot be listened on: ")
    assert tried.stderr.count("\n") == 1


def test_a_folder_that_is_served_already_is_told_with_by_whom_and_where(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        tried = hansard("serve", "--port", "0", "--data", str(data))
        assert tried.returncode == 1
        assert tried.stderr == (
            f"hansard: {data} is served already by process {service.process.pid}, at {service.url}: "
            "use that, stop it, or give another --data\n"
        )


def test_another_command_joins_the_running_database_and_leaves_it_running(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        before = EmbeddedPostgres(data).server_pid()
        joined = hansard("migrate", "--data", str(data))
        assert (joined.returncode, joined.stdout) == (0, "The database is up to date: 64 shards\n")
        assert EmbeddedPostgres(data).server_pid() == before
        assert service.wait_until_it_answers().status_code == 200


def test_after_it_was_killed_its_workers_go_and_the_next_one_starts(data: Path, output: Path) -> None:
    with serving("--workers", "2", data=data, output=output) as service:
        workers = service.workers()
        assert len(workers) >= 2
        service.stop(signal.SIGKILL)
    with serving(data=data, output=output) as service:
        assert not any(psutil.pid_exists(pid) and is_a_worker(pid) for pid in workers)
    assert EmbeddedPostgres(data).server_pid() is None


def is_a_worker(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "hansard" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_a_worker_that_dies_is_replaced(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        (worker,) = service.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: service.workers() - {worker}, service)
        assert service.wait_until_it_answers().status_code == 200


def test_a_worker_that_keeps_dying_is_replaced_each_time(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        dead: set[int] = set()
        for pause in ("0.5 s", "1 s", "2 s"):
            (worker,) = service.workers() - dead
            dead.add(worker)
            os.kill(worker, signal.SIGKILL)
            until(lambda: service.workers() - dead, service)
            assert f"hansard: worker process 1 died; another one starts in {pause}\n" in service.said
        assert service.wait_until_it_answers().status_code == 200
        assert service.stop() == 0
    assert EmbeddedPostgres(data).server_pid() is None


class Dead(WorkerProcess):
    """A worker that died at once."""

    def __init__(self) -> None:
        self.idx = 0
        self.birth = time.monotonic()


def test_a_worker_for_which_there_is_no_room_is_started_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server, dead = LastingServer("nobody:asks"), Dead()
    server.wrks, server.interrupt_children, tries = [dead], [0], []

    def spawn(**settings: Any) -> NoReturn:
        tries.append(server.wrks[:])
        server.interrupt_signal = len(tries) == 2
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(server, "_spawn_worker", spawn)
    server.main_loop_interrupt.set()
    server._serve_loop(None, None)
    assert (len(tries), server.wrks) == (2, [dead])
    assert "cannot be started: [Errno 11] Resource temporarily unavailable; again in 1 s" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("lived", "last", "pause"),
    [(3_600, 0, 0), (3_600, 30, 0), (1, 0, 0.5), (1, 0.5, 1), (1, 1, 2), (1, 16, 30), (1, 30, 30)],
)
def test_the_pause_before_a_worker_that_dies_young_is_replaced_grows(
    lived: float, last: float, pause: float
) -> None:
    assert pause_after(lived, last) == pause


def test_a_database_that_is_killed_under_it_is_started_again(data: Path, output: Path) -> None:
    with serving(data=data, output=output) as service:
        embedded = EmbeddedPostgres(data)
        killed = embedded.server_pid()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda: embedded.server_pid() not in (None, killed), service)
        until(lambda: "PostgreSQL had been killed and was started again" in service.said, service)


def test_with_a_dsn_it_needs_no_folder(data: Path, output: Path, empty_dsn: str) -> None:
    with serving("--dsn", empty_dsn, "--workers", "2", data=data, output=output) as service:
        assert "Applied migration" in service.said
    assert not data.exists()


def test_a_database_that_cannot_be_reached_is_told_in_one_line_without_its_password(data: Path) -> None:
    dsn = "postgresql://someone:hunter2@127.0.0.1:1/hansard"
    tried = hansard("serve", "--port", "0", "--data", str(data), HANSARD_DSN=dsn)
    assert tried.returncode == 1
    assert tried.stderr.startswith("hansard: the database cannot be used: ")
    assert tried.stderr.count("\n") == 1
    assert "hunter2" not in tried.stderr


def test_a_bad_setting_is_told_in_one_line() -> None:
    tried = hansard("serve", HANSARD_WORKERS="many")
    expected = "hansard: HANSARD_WORKERS is 'many', but it must be a whole number from 1 to 256\n"
    assert (tried.returncode, tried.stderr) == (2, expected)


def test_a_variable_with_a_typing_error_is_pointed_out(data: Path, output: Path) -> None:
    with serving(data=data, output=output, HANSARD_WROKERS="2") as service:
        assert "hansard: HANSARD_WROKERS is not a setting of Hansard" in service.said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_is_known_as_one(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "db.example"])  # noqa: S104 - only read
def test_an_address_that_others_can_reach_is_no_loopback_address(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - to be refused
def test_without_authentication_no_other_machine_is_let_in(data: Path, host: str) -> None:
    tried = hansard("serve", "--host", host, "--data", str(data))
    assert tried.returncode == 1
    assert tried.stderr.count("\n") == 1
    assert "HANSARD_AUTH=token" in tried.stderr
    assert not data.exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HANSARD_JWT_SECRET", "short"), ("HANSARD_JWT_JWKS", "/nowhere"), ("HANSARD_CORS_ORIGINS", "*")],
)
def test_a_key_or_site_that_cannot_be_used_is_told_before_anything_starts(
    data: Path, variable: str, value: str
) -> None:
    tried = hansard("serve", "--data", str(data), **{variable: value})
    assert (tried.returncode, tried.stderr.count("\n")) == (2, 1)
    assert variable in tried.stderr
    assert not data.exists()
