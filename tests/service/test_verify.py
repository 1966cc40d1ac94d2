"""Whoever changes the log behind Hansard's back is found out, whatever he may do in the database."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from domain.events import ConversationAnonymised, ConversationErased, Event
from domain.recorded import Foreign
from projections.follower import Follower
from service.audit.verify import verify_log
from service.cli import main
from service.hansard import projections_of
from service.settings import Settings
from service.store.append import Command, append_of
from service.store.connections import Database, connect
from service.store.log import DatabaseLog
from service.store.store import Store, shard_of
from tests.conftest import SHARDS
from tests.service.store.appending import USER, asked, said, started, storing
from tests.serving import hansard

VICTIM, OTHER = uuid4(), uuid4()
SHARD_OF_ANN = shard_of(USER, SHARDS)
STATE, PERSON = ("state", "state_salt", "message_id"), ("actor", "request_id", "person_salt")

CHANGES = {
    "state": "set_byte(state, 20, 255 - get_byte(state, 20))",
    "state_salt": "'\\x00'",
    "state_digest": "sha256('x')",
    "topic": "'message_revised'",
    "message_id": "'another'",
    "user_id": "'bob'",
    "actor": "'bob'",
    "person_salt": "'\\x00'",
    "person_digest": "sha256('x')",
    "request_id": "'another'",
    "command_id": "gen_random_uuid()",
    "command_digest": "sha256('x')",
    "command_size": "2",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "position": "999",
    "digest": "sha256('x')",
}


@pytest.fixture
def log(dsn: str) -> str:
    """Two conversations of one user, in turn: the victim's events are at positions 1, 3, 5, 7 and 9."""
    written = [each for each in projections_of(Settings()) if each.with_append]
    with storing(dsn, written) as store:
        append(store, VICTIM, started())
        append(store, OTHER, started())
        for number in range(4):
            append(store, VICTIM, [said(f"secret {number}")], command=Command(uuid4(), b"\1" * 32))
            append(store, OTHER, [said("good morning"), said("good night")])
    return dsn


def append(
    store: Store, conversation_id: UUID, events: Sequence[Event], command: Command | None = None
) -> None:
    store.append_blocking(asked(store, conversation_id, events, command=command))


def tamper(dsn: str, statement: str) -> None:
    """As a superuser, whom no right holds back."""
    given = {"victim": VICTIM, "other": OTHER, "shard": SHARD_OF_ANN}
    with connect(dsn) as connection:
        assert connection.execute(statement.encode(), given).rowcount, statement


def change(dsn: str, assignments: str, version: int) -> None:
    statement = "UPDATE events SET {} WHERE conversation_id = %(victim)s AND version = {}"
    tamper(dsn, statement.format(assignments, version))


def empty(dsn: str, columns: Sequence[str], before: int) -> None:
    """What erasing and anonymising do to the events before them."""
    statement = "UPDATE events SET {} WHERE conversation_id = %(victim)s AND version < {}"
    tamper(dsn, statement.format(", ".join(f"{column} = NULL" for column in columns), before))


def remove(dsn: str, version: int) -> None:
    tamper(dsn, f"DELETE FROM events WHERE conversation_id = %(victim)s AND version = {version}")  # noqa: S608


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


def verify(dsn: str, *flags: str) -> int:
    return main(["verify", "--dsn", dsn, "--only", "chains", *flags])


def found(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is wrong, one line each."""
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]


def names(line: str, version: int) -> bool:
    place = rf"shard {SHARD_OF_ANN}(, position \d+)?, conversation {VICTIM}, version {version}: "
    return re.match(place, line) is not None


def test_a_log_that_nobody_touched_is_what_was_recorded(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(log) == 0
    assert "what was recorded: 14 events of 2 conversations" in capsys.readouterr().out


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_column_is_found_and_named(
    log: str, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, f"{column} = {CHANGES[column]}", 3)
    assert verify(log) == 1
    assert any(names(line, 3) for line in found(capsys))


@pytest.mark.parametrize("time", ["infinity", "-infinity", "290000-01-01", "4000-01-01 BC"])
def test_a_time_that_python_does_not_know_is_found_like_any_other(
    log: str, time: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, f"recorded_at = '{time}'", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)


def test_one_change_is_told_once(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(log, "actor = 'bob'", 3)
    verify(log)
    (line,) = found(capsys)
    assert "the digest of the person differs" in line


def test_what_was_said_is_not_told(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(log, "state = state || '}}'", 3)
    assert verify(log) == 1
    assert "secret" not in capsys.readouterr().out


def test_an_event_removed_from_the_middle_is_missed(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    remove(log, 3)
    assert verify(log) == 1
    lines = found(capsys)
    assert any(names(line, 3) and "version 3 is missing" in line for line in lines)
    assert any(line.startswith(f"shard {SHARD_OF_ANN}, position 6: position 6 is missing") for line in lines)


def test_a_first_event_that_was_removed_is_missed(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    remove(log, 1)
    assert verify(log) == 1
    assert any(names(line, 1) and "version 1 is missing" in line for line in found(capsys))


def test_a_last_event_that_was_removed_is_missed_though_no_chain_is_broken(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(log, 5)
    assert verify(log) == 1
    lines = found(capsys)
    assert any(names(line, 5) and "version 5 is missing at its end" in line for line in lines)
    assert any(line.startswith(f"shard {SHARD_OF_ANN}, position ") for line in lines)


def test_two_events_that_were_swapped_are_both_found(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(log, "version = -3", 3)
    change(log, "version = 3", 4)
    change(log, "version = 4", -3)
    assert verify(log) == 1
    lines = found(capsys)
    assert any(names(line, 3) for line in lines)
    assert any(names(line, 4) for line in lines)


def test_states_that_were_swapped_with_their_salts_and_digests_are_found(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(
        log,
        """
        UPDATE events AS e SET state = o.state, state_salt = o.state_salt, state_digest = o.state_digest
        FROM events AS o WHERE e.conversation_id = %(victim)s AND o.conversation_id = %(victim)s
          AND e.version + o.version = 7 AND e.version IN (3, 4)""",
    )
    assert verify(log) == 1
    lines = found(capsys)
    assert {version for version in (3, 4) for line in lines if names(line, version)} == {3, 4}


def test_an_event_that_was_slipped_in_at_the_end_is_found(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slip_in(log, 6)
    assert verify(log) == 1
    assert any(names(line, 6) for line in found(capsys))


def test_an_event_that_was_slipped_in_between_is_found(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    for version in (5, 4, 3):
        change(log, "version = version + 1", version)
    slip_in(log, 3)
    assert verify(log) == 1
    assert any(names(line, 3) for line in found(capsys))


def test_words_that_were_emptied_without_an_erasure_are_missed(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, "state = NULL, state_salt = NULL, message_id = NULL", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)
    assert "nothing on record erased it" in line


def test_a_person_who_was_taken_out_without_a_record_is_missed(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, "actor = NULL, person_salt = NULL", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)
    assert "nobody on record was replaced" in line


def test_an_erased_conversation_is_what_was_recorded(log: str) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(log, (*STATE, "user_id", *PERSON), before=6)
    assert verify(log) == 0


def test_an_anonymised_conversation_is_what_was_recorded_and_keeps_its_words(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationAnonymised(requested_by="ann", reason="asked")])
    empty(log, PERSON, before=6)
    assert verify(log) == 0
    change(log, "state = NULL, state_salt = NULL", 3)
    assert verify(log) == 1
    assert names(found(capsys)[0], 3)


def test_an_erasure_that_left_words_behind_is_told(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(log, STATE, before=4)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 4)
    assert "still says something" in line


def test_an_erasure_that_left_a_message_id_behind_is_told(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(log, STATE, before=6)
    change(log, "message_id = 'left'", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)
    assert "not the id of the message" in line


def test_nothing_may_follow_an_erasure(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
        append(store, VICTIM, [said("I am back")])
    empty(log, STATE, before=6)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 7)
    assert "after the conversation was erased" in line


def test_a_conversation_that_was_removed_whole_from_the_end_is_remembered_elsewhere(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "INSERT INTO snapshots VALUES (%(shard)s, %(victim)s, 4, 'any', '')")
    tamper(log, "DELETE FROM events WHERE conversation_id IN (%(victim)s, %(other)s)")
    assert verify(log) == 1
    lines = found(capsys)
    assert any(names(line, 1) and "versions 1 to 5 are missing" in line for line in lines)
    assert any(names(line, 1) and "snapshots has seen version 4" in line for line in lines)
    assert any(f"conversation {OTHER}, version 1: versions 1 to 9 are missing" in line for line in lines)


def test_a_projection_that_has_read_further_than_the_log_reaches_shows_what_was_cut_off(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "INSERT INTO checkpoints VALUES (%(shard)s, 'words', 1, 14)")
    tamper(log, "DELETE FROM events WHERE position >= 13")
    assert verify(log) == 1
    assert any("words (generation 1) has read up to 14" in line for line in found(capsys))


def test_an_event_in_a_shard_that_does_not_exist_is_found(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, "shard = 99", 5)
    assert verify(log) == 1
    assert any(line.startswith("shard 99") and str(VICTIM) in line for line in found(capsys))


def test_sequences_of_other_applications_may_begin_with_version_0(dsn: str) -> None:
    with storing(dsn) as store:
        for first in (0, 1):
            opened = [Foreign(topic="another.application:Opened", state=b"\0\1")] * 3
            store.append_blocking(append_of(0, uuid4(), opened, datetime.now(UTC), first=first))
    assert verify(dsn) == 0


def test_a_conversation_of_ours_begins_with_version_1(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    with storing(dsn) as store:
        store.append_blocking(append_of(0, VICTIM, started(), datetime.now(UTC), first=0))
    assert verify(dsn) == 1
    assert "begins with version 0" in found(capsys)[0]


def test_one_conversation_can_be_checked_alone(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(log, "topic = 'message_revised'", 3)
    assert verify(log, "--conversation", str(OTHER)) == 0
    assert "9 events" in capsys.readouterr().out
    assert verify(log, "--conversation", str(VICTIM)) == 1
    assert any(names(line, 3) for line in found(capsys))


def test_a_conversation_that_does_not_exist_is_not_said_to_hold(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = uuid4()
    assert verify(log, "--conversation", str(stranger)) == 1
    assert capsys.readouterr().out == f"There is no conversation {stranger}\n"


def test_at_most_a_hundred_faults_are_listed_and_all_are_counted(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with storing(dsn) as store:
        append(store, VICTIM, started(*(said() for _ in range(249))))
    tamper(dsn, "UPDATE events SET actor = 'bob'")
    assert verify(dsn) == 1
    lines = found(capsys)
    assert len(lines) == 101
    assert lines[-1] == "… and 150 more"


@pytest.fixture
def followed(log: str) -> str:
    """The same, and every projection has got all of it."""
    Follower(Database.open(log).connect, DatabaseLog(), projections_of(Settings())).run_once()
    return log


def test_the_projections_are_what_the_log_says(followed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--dsn", followed]) == 0
    told = capsys.readouterr().out
    assert "The log is what was recorded" in told
    assert "history: all 12 rows are what the log says" in told


def test_a_changed_row_of_a_projection_is_found_and_its_words_are_not_told(
    followed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(followed, "UPDATE history_g1 SET content = '\"forged\"' WHERE conversation_id = %(victim)s")
    assert main(["verify", "--dsn", followed, "--only", "projections"]) == 1
    told = capsys.readouterr().out
    assert "history: DIFFERS from what the log says" in told
    assert f"conversation_id {VICTIM}" in told
    assert "differs in content" in told
    assert "forged" not in told
    assert "secret" not in told


def test_a_projection_that_is_not_built_cannot_be_what_the_log_says(
    followed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(followed, "UPDATE generations SET version = 'older' WHERE projection = 'usage'")
    assert main(["verify", "--dsn", followed, "--only", "projections"]) == 1
    told = capsys.readouterr().out
    assert "usage is not built: hansard replay usage" in told
    assert "history: all 12 rows" in told


def test_projections_that_have_read_more_than_there_is_are_not_compared(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "UPDATE checkpoints SET position = 99 WHERE projection = 'usage' AND shard = %(shard)s")
    assert main(["verify", "--dsn", log]) == 1
    assert (
        "The projections were not compared: there was more in the log when usage read it"
        in capsys.readouterr().out
    )


def test_projections_are_not_compared_with_a_log_in_which_something_is_missing(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(log, 3)
    assert main(["verify", "--dsn", log]) == 1
    told = capsys.readouterr().out
    assert f"The projections were not compared: events are missing in shard {SHARD_OF_ANN}" in told


def test_large_logs_are_checked_by_several_processes(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change(log, "actor = 'bob'", 3)
    alone = verify_log(Database.open(log))
    monkeypatch.setattr("service.audit.verify.WORTH_PROCESSES", 0)
    monkeypatch.setattr("service.audit.verify.processes", lambda: 2)
    assert verify_log(Database.open(log)) == alone
    assert (alone.events, alone.conversations, alone.total) == (14, 2, 1)


def test_the_command_of_its_own_process_says_the_same(log: str) -> None:
    command = ("verify", "--dsn", log, "--only", "chains")
    assert hansard(*command).returncode == 0
    change(log, "digest = '\\x00'", 3)
    told = hansard(*command)
    assert told.returncode == 1
    assert any(names(line.strip(), 3) for line in told.stdout.splitlines())
