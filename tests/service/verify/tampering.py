"""A log, and somebody who changes it behind Hansard's back, as a superuser whom no right holds back."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.rows import dict_row

from domain.events import Event
from projections.following.follower import Follower
from service.cli.main import main
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.append import CommandKey
from service.store.connections import Database, connect
from service.store.digests import chain, state_digest
from service.store.log import DatabaseLog
from service.store.store import Store, shard_of
from tests.conftest import SHARDS
from tests.service.store.appending import USER, asked, said, started, storing

VICTIM, OTHER = uuid4(), uuid4()
SHARD_OF_ANN = shard_of(USER, SHARDS)
EVENTS = 14


def two_conversations(dsn: str) -> str:
    """Of one user, in turn: the victim's five events are at positions 1, 3, 6, 9 and 12."""
    written = [each for each in projections_of(Settings()) if each.with_append]
    with storing(dsn, written) as store:
        append(store, VICTIM, started())
        append(store, OTHER, started())
        for number in range(4):
            append(store, VICTIM, [said(f"secret {number}")], command=CommandKey(uuid4(), b"\1" * 32))
            append(store, OTHER, [said("good morning"), said("good night")])
    return dsn


def follow(dsn: str) -> None:
    """Brings every projection to the end of the log."""
    Follower(Database.open(dsn).connect, DatabaseLog(), projections_of(Settings())).run_once()


def append(
    store: Store, conversation_id: UUID, events: Sequence[Event], command: CommandKey | None = None
) -> None:
    store.append_blocking(asked(store, conversation_id, events, command=command))


def tamper(dsn: str, statement: str, **given: Any) -> None:
    named = {"victim": VICTIM, "other": OTHER, "shard": SHARD_OF_ANN} | given
    with connect(dsn) as connection:
        assert connection.execute(statement.encode(), named).rowcount, statement


def change(dsn: str, assignments: str, version: int) -> None:
    statement = "UPDATE events SET {} WHERE conversation_id = %(victim)s AND version = {}"
    tamper(dsn, statement.format(assignments, version))


def empty(dsn: str, columns: Sequence[str], before: int) -> None:
    """What erasing and anonymising do to the events before them."""
    statement = "UPDATE events SET {} WHERE conversation_id = %(victim)s AND version < {}"
    tamper(dsn, statement.format(", ".join(f"{column} = NULL" for column in columns), before))


def remove(dsn: str, version: int) -> None:
    tamper(dsn, f"DELETE FROM events WHERE conversation_id = %(victim)s AND version = {version}")  # noqa: S608


def swap(dsn: str, one: int, other: int) -> None:
    for before, after in ((one, -one), (other, one), (-one, other)):
        change(dsn, f"version = {after}", before)


def slip_in(dsn: str, version: int) -> None:
    """A copy of the event before, at the end of the shard: a place that nobody has taken."""
    statement = """
        INSERT INTO events (
            shard, conversation_id, version, position, topic, message_id, state, state_salt, state_digest,
            user_id, actor, person_salt, person_digest, recorded_at, digest)
        SELECT shard, conversation_id, version + 1, (SELECT max(position) + 1 FROM events), topic, message_id,
            state, state_salt, state_digest, user_id, actor, person_salt, person_digest, recorded_at, digest
        FROM events WHERE conversation_id = %(victim)s AND version = {} - 1"""
    tamper(dsn, statement.format(version))


def make_room(dsn: str, version: int) -> None:
    """The events of the victim from this version on become one version later."""
    for last in range(5, version - 1, -1):
        change(dsn, "version = version + 1", last)


def close_the_gaps(dsn: str) -> None:
    """Positions are 1, 2, 3, … again, in the same order."""
    moved = """
        UPDATE events AS e SET position = {} FROM (
            SELECT conversation_id, version, row_number() OVER (ORDER BY position) AS position
            FROM events WHERE shard = %(shard)s) AS n
        WHERE e.shard = %(shard)s AND (e.conversation_id, e.version) = (n.conversation_id, n.version)"""
    tamper(dsn, moved.format("-n.position"))
    tamper(dsn, "UPDATE events SET position = -position WHERE shard = %(shard)s")


def say_instead(dsn: str, version: int, words: str) -> None:
    """With the salt and the digest that fit."""
    salt = b"0123456789abcdef"
    with connect(dsn) as connection:
        (state,) = connection.execute(
            "SELECT state FROM events WHERE conversation_id = %s AND version = %s", (VICTIM, version)
        ).fetchone() or (b"",)
    state = re.sub(rb"secret \d", words.encode(), state)
    change_to = "UPDATE events SET state = %(state)s, state_salt = %(salt)s, state_digest = %(digest)s WHERE "
    where = "conversation_id = %(victim)s AND version = %(version)s"
    given = {"state": state, "salt": salt, "digest": state_digest(salt, state), "version": version}
    tamper(dsn, change_to + where, **given)


def recompute(dsn: str, *conversations: UUID) -> None:
    """Every digest of these conversations: it is no secret how that is done."""
    with connect(dsn) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        for conversation_id in conversations:
            given = {"conversation": conversation_id}
            cursor.execute(
                "SELECT * FROM events WHERE conversation_id = %(conversation)s ORDER BY version", given
            )
            digest: bytes | None = None
            for row in cursor.fetchall():
                digest = chain(digest, **{name: row[name] for name in CHAINED})
                connection.execute(
                    "UPDATE events SET digest = %s WHERE conversation_id = %s AND version = %s",
                    (digest, conversation_id, row["version"]),
                )


CHAINED = (
    *("shard", "conversation_id", "version", "position", "topic"),
    *("command_id", "command_digest", "command_size"),
    *("recorded_at", "state_digest", "person_digest"),
)


def cover_up(dsn: str) -> None:
    """Makes everything else fit the log: digests, snapshots, projections."""
    close_the_gaps(dsn)
    recompute(dsn, VICTIM, OTHER)
    forget(dsn)


def forget(dsn: str) -> None:
    """Nothing beside the log remembers what was there before."""
    with connect(dsn) as connection:
        connection.execute("DELETE FROM snapshots")
    assert main(["replay", "--dsn", dsn]) == 0


def verify(dsn: str, *flags: str) -> int:
    """The log alone; projections take longer, and have their own tests."""
    return main(["verify", "--dsn", dsn, "--only", "chains", *flags])


def found(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is wrong, one line each."""
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]


def names(line: str, version: int) -> bool:
    place = rf"shard {SHARD_OF_ANN}(, position \d+)?, conversation {VICTIM}, version {version}: "
    return re.match(place, line) is not None


def named(lines: Iterable[str], version: int) -> bool:
    return any(names(line, version) for line in lines)
