"""Listens to a writing process, and holds what it was told against what is in the log."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import UUID

import psycopg
from msgspec import Struct

from projections.following.follower import Follower
from projections.rebuilding.check import Check
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import Database, connect
from service.store.log import DatabaseLog
from service.verify.log import verify_log
from tests.cluster import TOPOLOGY
from tests.crash import writing

PATIENCE = 60.0
EVENTS = "SELECT message_id, conversation_id, version, position FROM events ORDER BY shard, position"
GAPS = """
SELECT 'position', shard, count(*), max(position) FROM events GROUP BY shard
HAVING count(*) <> max(position) OR min(position) <> 1
UNION ALL
SELECT 'version', min(shard), count(*), max(version) FROM events GROUP BY conversation_id
HAVING count(*) <> max(version) OR min(version) <> 1"""
CONNECTED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'hansard _%%'"""


class Asked(Struct):
    user: str
    conversation: UUID
    messages: list[str]


class Place(NamedTuple):
    """Of an event, in the log."""

    conversation: UUID
    version: int
    position: int


class Told:
    """What a writing process has said, over all its lives."""

    def __init__(self) -> None:
        self.asked: dict[UUID, Asked] = {}
        self.done: dict[UUID, tuple[int, int, int]] = {}
        self.refused: dict[UUID, str] = {}
        self.unknown: dict[UUID, str] = {}
        self.wrong: dict[UUID, str] = {}
        self.stopped = False
        self.stale = 0
        """How often what was remembered of the log was not so any more."""
        self._changed = threading.Condition()

    def hear(self, line: dict[str, Any]) -> None:
        with self._changed:
            match line:
                case {"asked": command, "user": user, "conversation": conversation, "messages": messages}:
                    self.asked[UUID(command)] = Asked(user, UUID(conversation), messages)
                case {"done": command, "version": version, "position": position, "size": size}:
                    self.done[UUID(command)] = (version, position, size)
                case {"refused": command, "why": why}:
                    self.refused[UUID(command)] = why
                case {"unknown": command, "why": why}:
                    self.unknown[UUID(command)] = why
                case {"wrong": command, "why": why}:
                    self.wrong[UUID(command)] = why
                case {"stale": True}:
                    self.stale += 1
                case {"stopped": True}:
                    self.stopped = True
            self._changed.notify_all()

    def wait(self, until: Callable[["Told"], bool], seconds: float = PATIENCE) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: until(self), seconds), "the writing process came no further"

    def wait_for_more(
        self, answers: int, of: Collection[str] | None = None, seconds: float = PATIENCE
    ) -> None:
        """Of all users, or of these alone."""
        wanted = self.done_of(of) + answers
        self.wait(lambda told: told.done_of(of) >= wanted, seconds)

    def done_of(self, users: Collection[str] | None) -> int:
        with self._changed:
            if users is None:
                return len(self.done)
            return sum(self.asked[name].user in users for name in self.done)

    def troubles(self) -> int:
        return len(self.refused) + len(self.unknown)

    def wait_for_troubles(self, wanted: int) -> None:
        self.wait(lambda told: told.troubles() >= wanted)


class Writing:
    """A writing process, and a thread that listens to it."""

    def __init__(
        self,
        dsn: str,
        told: Told,
        patience: float = 5.0,
        patience_in_doubt: float = 30.0,
        shared: bool = False,
    ) -> None:
        """Shared are the conversations of several such processes."""
        whose = "shared" if shared else "its own"
        command = [sys.executable, "-m", writing.__name__, dsn, str(patience), str(patience_in_doubt), whose]
        self.told = told
        self.done = 0
        """How many of what was told were its own."""
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            self.done += "done" in told
            self.told.hear(told)

    def wait_for_more(self, answers: int, seconds: float = PATIENCE) -> None:
        wanted = self.done + answers
        self.told.wait(lambda _: self.done >= wanted, seconds)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self.thaw()
        self._end()

    def stop(self) -> None:
        """It answers all that was asked, and ends."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            assert self._process.wait(PATIENCE) == 0
        finally:
            self.kill()
        assert self.told.stopped

    def _end(self) -> None:
        self._process.wait(PATIENCE)
        self._listener.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


@contextmanager
def once_all_are_gone(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of a killed process goes on until it notices, and may still commit."""
    with connect(dsn) as connection:
        while connection.execute(CONNECTED).fetchall() != [(0,)]:
            pass
        yield connection


def check(dsn: str, told: Told) -> None:
    """All that the writing processes were told is so."""
    assert not told.wrong
    with once_all_are_gone(dsn) as connection:
        events = [(message, Place(*place)) for message, *place in connection.execute(EVENTS)]
        assert not connection.execute(GAPS).fetchall()
    places = {message: place for message, place in events if message is not None}
    beginnings = {place for message, place in events if message is None}
    assert len(places) + len(beginnings) == len(events), "each message is there once"
    for name, asked in told.asked.items():
        found = [places.pop(message) for message in asked.messages if message in places]
        if not found:
            assert name not in told.done, "what was acknowledged is there"
            continue
        first = found[0]
        assert found == [
            Place(asked.conversation, first.version + number, first.position + number)
            for number in range(len(asked.messages))
        ], "an append is there whole or not at all"
        assert name not in told.refused, "of what was refused it was said that nothing was stored"
        began = Place(asked.conversation, first.version - 1, first.position - 1)
        size = len(found) + (began in beginnings)
        beginnings.discard(began)
        last = found[-1]
        assert told.done.get(name) in (None, (last.version, last.position, size))
    assert not places
    assert not beginnings, "nothing is there that no append has brought"
    check_everything_else(dsn)


def check_everything_else(dsn: str) -> None:
    """Every projection is a fresh fold of the log, and the log is sound."""
    database, log, projections = Database.open(dsn), DatabaseLog(TOPOLOGY), projections_of(Settings())
    open_one = partial(database.connect, "check")
    Follower(open_one, log, projections).run_once()
    for proof in Check(open_one, log, projections).run():
        assert proof.equal, proof
        assert not proof.parked
    assert not verify_log(database).faults
