"""Whoever changes the log behind Hansard's back is found out, whatever he may do in the database."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.recorded import Foreign
from service.store.append import append_of
from tests.service.store.appending import started, storing
from tests.service.verify.tampering import (
    OTHER,
    SHARD_OF_ANN,
    VICTIM,
    change,
    forget,
    found,
    make_room,
    named,
    names,
    remove,
    slip_in,
    swap,
    tamper,
    two_conversations,
    verify,
)

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
    "command_id": "md5('x')::uuid",
    "command_digest": "sha256('x')",
    "command_size": "2",
    "recorded_at": "'2026-01-31 23:00:00.000001+00'",
    "position": "999",
    "digest": "sha256('x')",
}


@pytest.fixture
def log(dsn: str) -> str:
    return two_conversations(dsn)


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_column_is_found_and_named(
    log: str, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, f"{column} = {CHANGES[column]}", 3)
    assert verify(log) == 1
    assert named(found(capsys), 3)


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


def test_a_conversation_that_was_rolled_back_with_all_that_remembers_it_leaves_a_gap_in_its_shard(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in (5, 4):
        remove(log, version)
    forget(log)
    capsys.readouterr()
    assert verify(log) == 1
    lines = found(capsys)
    assert [line.partition(": ")[0] for line in lines] == [
        f"shard {SHARD_OF_ANN}, position {position}" for position in (9, 12)
    ]


def test_two_events_that_were_swapped_are_both_found(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    swap(log, 3, 4)
    assert verify(log) == 1
    lines = found(capsys)
    assert named(lines, 3)
    assert named(lines, 4)


def test_states_that_were_swapped_with_their_salts_and_digests_are_found(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(
        log,
        """
        UPDATE events AS e SET state = o.state, state_salt = o.state_salt, state_digest = o.state_digest
        FROM events AS o WHERE e.conversation_id = %(victim)s AND o.conversation_id = %(victim)s
          AND e.shard = %(shard)s AND o.shard = e.shard
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
    assert named(found(capsys), 6)


def test_an_event_that_was_slipped_in_between_is_found(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    make_room(log, 3)
    slip_in(log, 3)
    assert verify(log) == 1
    assert named(found(capsys), 3)


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


def test_a_shard_that_was_taken_off_the_list_is_missed(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(log, "DELETE FROM lanes WHERE shard = %(shard)s")
    assert verify(log) == 1
    assert f"shard {SHARD_OF_ANN}: its row in layout or in lanes is missing" in found(capsys)[0]


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
