"""An agent over many turns, killed in the middle, or its service is: nothing is lost, nothing doubled."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.crash.agent import replies, turn
from tests.model import Model, scripted
from tests.service.agents.acting import told
from tests.service.api.calling import SECRET, as_user, token
from tests.serving import Service, serving

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
TURNS = 30
ITEMS = TURNS * len(turn(0))
SESSION = "thr_of-the-agent"
PATIENCE = 60.0
pytestmark = pytest.mark.timeout(120 + 30 * ROUNDS)


@pytest.fixture
def model() -> Iterator[Model]:
    with scripted() as model:
        model.otherwise = replies
        yield model


@contextmanager
def served(data: Path, output: Path, port: str = "0", *flags: str) -> Iterator[Service]:
    given = ("--auth", "token", "--port", port, *flags)
    with serving(*given, data=data, output=output, HANSARD_JWT_SECRET=SECRET) as service:
        yield service


@contextmanager
def working(url: str, model: Model, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.crash.agent", url, token("ann"), model.url, SESSION, str(TURNS)]
    with log.open("ab") as file, subprocess.Popen(command, cwd=ROOT, stderr=file) as process:
        try:
            yield process
        finally:
            process.kill()


def kept(url: str) -> list[str]:
    """In the order of the record, as the wire has it."""
    with httpx.Client(base_url=f"{url}/v1", headers=as_user("ann")) as client:
        found, query = list[dict[str, object]](), {"limit": "100", "order": "asc"}
        while (answer := client.get(f"/conversations/{SESSION}/items", params=query)).is_success:
            page = answer.json()
            found += page["data"]
            if not page["has_more"]:
                break
            query["after"] = page["last_id"]
        return list(told(found))


def wait_for(url: str, items: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(kept(url)) < items:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def a_random_moment() -> None:
    time.sleep(random.uniform(0, 0.05))  # noqa: S311


EVERYTHING = [each for number in range(TURNS) for each in turn(number)]


def test_an_agent_that_is_killed_goes_on_where_it_was(data: Path, tmp_path: Path, model: Model) -> None:
    with served(data, tmp_path / "output") as service:
        for round in range(1, ROUNDS + 1):
            with working(service.url, model, tmp_path / "log") as agent:
                wait_for(service.url, round * ITEMS // (ROUNDS + 1), agent)
                a_random_moment()
                agent.kill()
                agent.wait(PATIENCE)
        with working(service.url, model, tmp_path / "log") as agent:
            assert agent.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
        assert kept(service.url) == EVERYTHING


def test_an_agent_whose_service_is_killed_goes_on_with_the_next(
    dsn: str, tmp_path: Path, model: Model
) -> None:
    port, agent = "0", None
    with ExitStack() as at_work:
        for round in range(1, ROUNDS + 2):
            output = tmp_path / f"output-{round}"
            with served(tmp_path / "data", output, port, "--dsn", dsn) as service:
                port = service.url.rpartition(":")[2]
                agent = agent or at_work.enter_context(working(service.url, model, tmp_path / "log"))
                if round <= ROUNDS:
                    wait_for(service.url, round * ITEMS // (ROUNDS + 1), agent)
                    a_random_moment()
                    kill(service)
                else:
                    assert agent.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
                    assert kept(service.url) == EVERYTHING


def kill(service: Service) -> None:
    """With all its workers, and without a word."""
    whole = psutil.Process(service.process.pid)
    for each in [*whole.children(recursive=True), whole]:
        each.kill()
    service.process.wait(PATIENCE)
