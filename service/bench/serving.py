"""Runs `hansard serve` as a person would: a process of its own, on a free port, with a folder of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from msgspec import Struct

COMMAND: Final = "import sys; from service.cli.main import main; sys.exit(main())"
ADDRESS: Final = re.compile(r"  page  (http://\S+)/\n")
PLAIN: Final = "service.bench.plain"
PLAIN_ADDRESS: Final = re.compile(r"Uvicorn running on (http://\S+)")
PLAIN_NEEDS: Final = ("fastapi", "sqlmodel", "uvicorn")
BARE: Final = "service.bench.bare"
BARE_ADDRESS: Final = re.compile(r"Bare framework on (http://\S+)")
LONGEST: Final = 60.0


class NotInstalled(Exception):
    """What is compared with is not installed."""


class DidNotStart(Exception):
    """The service ended, or did not answer in time; the text is what it said."""


class Service(Struct, frozen=True):
    url: str
    seconds: float
    """From the command until it was ready to answer."""
    pid: int

    def processes(self) -> list[psutil.Process]:
        """The service's own, without PostgreSQL's."""
        first = psutil.Process(self.pid)
        return [first, *(each for each in first.children(recursive=True) if each.name() != "postgres")]

    def busy(self) -> float:
        """Seconds of a processor that they have used so far, whichever of their threads."""
        return sum(sum(each.cpu_times()[:2]) for each in self.processes())

    def get(self, path: str) -> bytes:
        return got(self.url + path)


@contextmanager
def serving(data: Path, said: Path, *flags: str) -> Iterator[Service]:
    """What it says goes into a file."""
    command = ["-c", COMMAND, "serve", "--port", "0", "--data", str(data), *flags]
    with running(command, said, ADDRESS, "/health/ready") as service:
        yield service


@contextmanager
def serving_plain(dsn: str, said: Path) -> Iterator[Service]:
    """The other side, which what is measured here needs and nothing else does."""
    if missing := [name for name in PLAIN_NEEDS if find_spec(name) is None]:
        raise NotInstalled(f"{', '.join(missing)}: `make bench` installs it, or pip install 'hansard[bench]'")
    with running(["-m", PLAIN], said, PLAIN_ADDRESS, "/openapi.json", PLAIN_DSN=dsn) as service:
        yield service


@contextmanager
def serving_bare(said: Path) -> Iterator[Service]:
    """The framework by itself, under the same server."""
    with running(["-m", BARE], said, BARE_ADDRESS, "/api/conversations?limit=1") as service:
        yield service


@contextmanager
def running(
    command: Sequence[str], said: Path, address: re.Pattern[str], path: str, **more: str
) -> Iterator[Service]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HANSARD_")}
    started = time.monotonic()
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=output, env=environ | more
        )
    try:
        url = ready(process, said, started + LONGEST, address, path)
        yield Service(url, time.monotonic() - started, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ready(
    process: subprocess.Popen[bytes], said: Path, deadline: float, address: re.Pattern[str], path: str
) -> str:
    """Its address, as soon as all is there that it needs."""
    while time.monotonic() < deadline and process.poll() is None:
        if found := address.search(said.read_text()):
            try:
                got(found[1] + path)
                return found[1]
            except (URLError, ConnectionError):
                pass
        time.sleep(0.01)
    raise DidNotStart(said.read_text().strip() or "it said nothing")


def got(url: str) -> bytes:
    with urlopen(url, timeout=LONGEST) as answer:  # noqa: S310 - of the service that was started here
        content: bytes = answer.read()
        return content
