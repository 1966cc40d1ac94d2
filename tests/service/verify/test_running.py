"""Verification and seals while others write: what changes meanwhile is no fault."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection

from service.cli.main import main
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.log import DatabaseLog
from service.verify import log as log_audit
from service.verify import shard as shard_audit
from tests.service.store.appending import asked, said, started, storing

MEANWHILE = 10
"""Appends that are committed while something is read."""


class Writers:
    """Two, each with a connection of its own, until they are told to end; they count what they have done."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._done = 0
        self._ending = False
        self._changed = Condition()

    @contextmanager
    def writing(self) -> Iterator[None]:
        threads = [Thread(target=self._write, args=(f"user-{number}",)) for number in range(2)]
        with ExitStack() as stack:
            stack.callback(self._end, threads)
            for thread in threads:
                thread.start()
            self.wait_for_more()
            yield

    def wait_for_more(self) -> None:
        with self._changed:
            enough = self._done + MEANWHILE
            assert self._changed.wait_for(lambda: self._done >= enough, timeout=60)

    def _write(self, user_id: str) -> None:
        written = [each for each in projections_of(Settings()) if each.with_append]
        with storing(self._dsn, written) as store:
            while not self._ending:
                conversation_id = uuid4()
                for events in (started(said()), [said()], [said(), said()]):
                    store.append_blocking(asked(store, conversation_id, events, user_id=user_id))
                    with self._changed:
                        self._done += 1
                        self._changed.notify_all()

    def _end(self, threads: list[Thread]) -> None:
        self._ending = True
        for thread in threads:
            thread.join()


@pytest.fixture
def writers(dsn: str) -> Iterator[Writers]:
    writers = Writers(dsn)
    with writers.writing():
        yield writers


@pytest.fixture
def held_up(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has looked where the log ends, or has begun a snapshot, reads on only when more was written."""

    @contextmanager
    def as_of_now(connection: Connection[Any]) -> Iterator[None]:
        with connection.transaction():
            connection.execute("SELECT 1")
            writers.wait_for_more()
            yield

    class Log(DatabaseLog):
        def heads(self, connection: Connection[Any]) -> dict[int, int]:
            heads = super().heads(connection)
            writers.wait_for_more()
            return heads

    monkeypatch.setattr(shard_audit, "as_of_now", as_of_now)
    monkeypatch.setattr(log_audit, "DatabaseLog", Log)
    monkeypatch.setattr("service.verify.sealing.DatabaseLog", Log)


@pytest.mark.usefixtures("held_up")
def test_what_is_written_meanwhile_is_no_fault_and_breaks_no_seal(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "seal.key"
    assert main(["keys", "seal", "--out", str(key)]) == 0
    seals = [tmp_path / f"{number}.json" for number in range(3)]
    for number, seal in enumerate(seals):
        assert main(["seal", "--dsn", dsn, "--key", str(key), "--out", str(seal)]) == 0
        for former in seals[: number + 1]:
            given = ("--seal", str(former), "--public-key", f"{key}.pub")
            assert main(["verify", "--dsn", dsn, "--only", "chains", *given]) == 0, capsys.readouterr().out


def test_the_projections_are_what_the_log_says_while_it_grows(
    dsn: str, writers: Writers, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        writers.wait_for_more()
        assert main(["verify", "--dsn", dsn]) == 0, capsys.readouterr().out
