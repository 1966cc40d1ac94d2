"""The files of an older backup are put back under a running service: it notices, and nobody is lied to."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.hansard import prepare
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from service.store.connections import Database
from service.verify.log import verify_log
from tests.conftest import SHARDS, folder
from tests.serving import Service, serving

ALICE = {"X-User-Id": "alice"}
PATIENCE = 60.0
GONE = (409, "record-restored")


def copied(source: Path, target: Path) -> None:
    """Whoever owns the files goes on owning them."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def put_back(server: EmbeddedPostgres, data: Path, backup: Path) -> None:
    server.stop()
    shutil.rmtree(data)
    copied(backup, data)
    server.start()


def until(wanted: Callable[[httpx.Response], bool], ask: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE
    while not wanted(answer := ask()):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    return answer


def is_gone(answer: httpx.Response) -> bool:
    return answer.status_code >= 400 and (answer.status_code, answer.json()["type"]) == GONE


class Client:
    def __init__(self, service: Service) -> None:
        self._url = service.url
        self.path = ""

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **given: Any
    ) -> httpx.Response:
        return httpx.request(
            method, self._url + path, headers=ALICE | (headers or {}), timeout=PATIENCE, **given
        )

    def start(self) -> None:
        started = until(
            lambda answer: answer.status_code == 201,
            lambda: self.ask("POST", "/api/conversations", json={}),
        )
        self.path = f"/api/conversations/{started.json()['id']}"

    def say(self, text: str) -> None:
        body, key = {"role": "user", "content": text}, {"Idempotency-Key": str(uuid4())}
        until(
            lambda answer: answer.status_code == 201,
            lambda: self.ask("POST", f"{self.path}/messages", key, json=body),
        )

    def read(self, path: str) -> httpx.Response:
        return until(lambda answer: answer.status_code == 200, lambda: self.ask("GET", path))

    def after(self, place: str) -> httpx.Response:
        return self.ask("GET", f"{self.path}/messages", params={"after": place})

    def said(self) -> tuple[list[str], str]:
        page = self.read(f"{self.path}/messages").json()
        return [message["content"] for message in page["messages"]], page["newer"]

    def heard(self) -> str:
        """The place from which changes are heard."""
        with httpx.stream("GET", f"{self._url}/api/changes", headers=ALICE, timeout=PATIENCE) as answer:
            return next(line for line in answer.iter_lines() if line.startswith("id: ")).removeprefix("id: ")


@pytest.mark.timeout(300)
def test_files_that_are_put_back_under_a_running_service_are_noticed_by_it(tmp_path: Path) -> None:
    with folder() as place, EmbeddedPostgres(place / "data") as server:
        prepare(Settings(shards=SHARDS), server.dsn)
        with serving("--dsn", server.dsn, data=tmp_path / "none", output=tmp_path / "output") as service:
            client = Client(service)
            client.start()
            client.say("kept")
            server.stop()
            copied(place / "data", place / "backup")
            server.start()
            for number in range(5):
                client.say(f"lost {number}")
            etag = client.read(client.path).headers["ETag"]
            (_, newer), heard = client.said(), client.heard()

            put_back(server, place / "data", place / "backup")

            for number in range(5):
                client.say(f"new {number}")
            until(is_gone, lambda: client.after(newer))
            assert is_gone(client.ask("GET", "/api/changes", {"Last-Event-ID": heard}))
            assert is_gone(client.ask("PATCH", client.path, {"If-Match": etag}, json={"title": "T"}))
            said, _ = client.said()
            assert said == ["kept", *(f"new {number}" for number in range(5))]
            assert client.ask("GET", "/health/ready").status_code == 200
            assert len(service.workers()) >= 1
        told = verify_log(Database.open(server.dsn))
        assert told.faults == (), json.dumps([str(fault) for fault in told.faults])
