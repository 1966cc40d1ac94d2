"""Runs `hansard serve` as a person would: a process of its own, on a free port, until a signal."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

HANSARD = Path(sys.executable).parent / "hansard"
ADDRESS = re.compile(r"^  page  (http://\S+)/$", re.MULTILINE)
LONGEST_START = 60.0


class Service:
    """A running `hansard serve`, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self.process = process
        self.output = output
        self.url = ""

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_until_up(self) -> None:
        while not (found := ADDRESS.search(self.said)):
            self.still_up()
        self.url = found[1]
        self.wait_until_it_answers("/health/ready")

    def wait_until_it_answers(self, path: str = "/health/live") -> httpx.Response:
        """That all is well: a service that has not asked its database yet says so."""
        deadline = time.monotonic() + LONGEST_START
        while time.monotonic() < deadline:
            self.still_up()
            try:
                answer = httpx.get(self.url + path)
            except httpx.TransportError:
                continue
            if answer.is_success:
                return answer
        raise TimeoutError(self.said)

    def still_up(self) -> None:
        assert self.process.poll() is None, self.said
        time.sleep(0.02)

    def workers(self) -> set[int]:
        children = psutil.Process(self.process.pid).children()
        return {child.pid for child in children if child.name() != "postgres"}

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


@contextmanager
def serving(*flags: str, data: Path, output: Path, **environ: str) -> Iterator[Service]:
    """Serve on any free port; a process group of its own, as a shell gives to what it runs."""
    command = [str(HANSARD), "serve", "--port", "0", "--data", str(data), *flags]
    with output.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, text=True, env=clean(environ), process_group=0
        )
    service = Service(process, output)
    try:
        service.wait_until_up()
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def hansard(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(HANSARD), *arguments],
        env=clean(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def clean(environ: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANSARD_")}
    return kept | environ
