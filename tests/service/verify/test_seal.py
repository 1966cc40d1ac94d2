"""A seal proves what nothing in the database itself can: that the log is still what it was."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.events import ConversationErased
from service.cli.main import main
from service.postgres.embedded import EmbeddedPostgres
from service.store.connections import connect
from tests.conftest import database
from tests.service.store.appending import rows, said, started, storing
from tests.service.verify.tampering import (
    OTHER,
    SHARD_OF_ANN,
    VICTIM,
    append,
    change,
    cover_up,
    empty,
    forget,
    found,
    make_room,
    named,
    recompute,
    remove,
    say_instead,
    slip_in,
    swap,
    tamper,
    two_conversations,
    verify,
)


@pytest.fixture
def log(dsn: str) -> str:
    return two_conversations(dsn)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    key = tmp_path / "seal.key"
    assert main(["keys", "seal", "--out", str(key)]) == 0
    return key


@pytest.fixture
def sealed(log: str, key: Path, tmp_path: Path) -> Path:
    return seal(log, key, tmp_path / "sealed.json")


def seal(dsn: str, key: Path, file: Path) -> Path:
    assert main(["seal", "--dsn", dsn, "--key", str(key), "--out", str(file)]) == 0
    return file


def compare(dsn: str, sealed: Path, *flags: str) -> int:
    key = sealed.with_name("seal.key.pub")
    given = ("--seal", str(sealed), "--public-key", str(key))
    return main(["verify", "--dsn", dsn, "--only", "seal", *given, *flags])


def test_a_log_begins_with_what_was_sealed(
    log: str, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(log, sealed) == 0
    assert ": 14 events\n" in capsys.readouterr().out


def test_what_is_appended_and_erased_after_a_seal_does_not_break_it(log: str, sealed: Path) -> None:
    with storing(log) as store:
        append(store, uuid4(), started(said("later")))
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(
        log, ("state", "state_salt", "message_id", "user_id", "actor", "request_id", "person_salt"), before=6
    )
    assert compare(log, sealed) == 0
    assert verify(log) == 0


def test_a_log_that_is_empty_can_be_sealed_and_filled(dsn: str, key: Path, tmp_path: Path) -> None:
    sealed = seal(dsn, key, tmp_path / "sealed.json")
    two_conversations(dsn)
    assert compare(dsn, sealed) == 0


def test_a_verifier_elsewhere_needs_nothing_of_ours(log: str, sealed: Path) -> None:
    seal = json.loads(sealed.read_text())
    signature = bytes.fromhex(seal.pop("signature"))
    signed = json.dumps(seal, sort_keys=True, separators=(",", ":")).encode()
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal["public_key"])).verify(signature, signed)
    query = """
        SELECT encode(sha256(string_agg(digest, ''::bytea ORDER BY position)), 'hex') FROM events
        WHERE shard = %s AND position <= %s"""
    of_ann = seal["shards"][SHARD_OF_ANN]
    assert [(of_ann["digest"],)] == rows(log, query, SHARD_OF_ANN, of_ann["events"])
    digests = [digest for (digest,) in rows(log, "SELECT digest FROM events ORDER BY position")]
    assert of_ann["marks"] == "".join(sha256(digest).hexdigest()[:16] for digest in digests)


def say_something_else(dsn: str) -> None:
    say_instead(dsn, 3, "nothing")


def change_the_time(dsn: str) -> None:
    change(dsn, "recorded_at = '2026-01-31 23:00:00+00'", 3)


def change_who_said_it(dsn: str) -> None:
    tamper(
        dsn,
        """
        UPDATE events AS e SET actor = o.actor, person_salt = o.person_salt, person_digest = o.person_digest
        FROM events AS o WHERE e.conversation_id = %(victim)s AND e.version = 3
            AND o.conversation_id = %(other)s AND o.version = 1
            AND e.shard = %(shard)s AND o.shard = e.shard""",
    )


def remove_from_the_middle(dsn: str) -> None:
    remove(dsn, 3)
    for version in (4, 5):
        change(dsn, "version = version - 1", version)


def swap_two(dsn: str) -> None:
    swap(dsn, 3, 4)
    for version, position in ((3, -6), (4, 9), (3, 6)):
        change(dsn, f"position = {position}", version)


def slip_one_in(dsn: str) -> None:
    make_room(dsn, 3)
    slip_in(dsn, 3)
    for factor in (-10, -1):
        tamper(dsn, f"UPDATE events SET position = position * {factor}")  # noqa: S608
    change(dsn, "position = 55", 3)


@pytest.mark.parametrize(
    "tampering",
    [say_something_else, change_the_time, change_who_said_it, remove_from_the_middle, swap_two, slip_one_in],
)
def test_who_recomputes_all_digests_deceives_the_chains_but_not_the_seal(
    log: str, sealed: Path, tampering: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    tampering(log)
    cover_up(log)
    assert main(["verify", "--dsn", log]) == 0
    capsys.readouterr()
    assert compare(log, sealed) == 1
    assert found(capsys)[0].startswith(f"shard {SHARD_OF_ANN}, position 6")


def test_a_changed_event_is_named_with_those_that_are_chained_to_it(
    log: str, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_instead(log, 3, "nothing")
    recompute(log, VICTIM)
    assert compare(log, sealed) == 1
    told = capsys.readouterr().out
    assert "The log is NOT what was sealed at" in told
    lines = [line.strip() for line in told.splitlines() if line.startswith("  ")]
    assert [version for version in range(1, 6) if named(lines, version)] == [3, 4, 5]
    assert lines[0].startswith(f"shard {SHARD_OF_ANN}, position 6, conversation {VICTIM}, version 3: ")


def test_a_conversation_that_was_rolled_back_with_all_that_remembers_it_is_found(
    log: str, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(log, 5)
    remove(log, 4)
    cover_up(log)
    assert main(["verify", "--dsn", log]) == 0
    capsys.readouterr()
    assert compare(log, sealed) == 1
    lines = found(capsys)
    assert lines[0].startswith(
        f"shard {SHARD_OF_ANN}, position 9, conversation {OTHER}, version 6: positions 9 to"
    )
    assert lines[-1] == (
        f"shard {SHARD_OF_ANN}, position 13: positions 13 to 14 are missing: "
        "the log was longer when it was sealed"
    )


def test_a_log_that_was_rolled_back_to_an_older_state_is_found(
    log: str, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "DELETE FROM events WHERE position > 10")
    forget(log)
    assert main(["verify", "--dsn", log]) == 0
    capsys.readouterr()
    assert compare(log, sealed) == 1
    (line,) = found(capsys)
    assert line.startswith(f"shard {SHARD_OF_ANN}, position 11: positions 11 to 14 are missing")


def test_a_table_that_was_replaced_is_found(
    log: str, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "DELETE FROM events")
    with storing(log) as store:
        append(store, VICTIM, started(*(said(f"never said {number}") for number in range(20))))
    forget(log)
    assert main(["verify", "--dsn", log]) == 0
    capsys.readouterr()
    assert compare(log, sealed) == 1
    lines = found(capsys)
    assert lines[0] == "nothing of what was sealed is here: all of it was replaced"
    assert lines[1].startswith(f"shard {SHARD_OF_ANN}, position 1, conversation {VICTIM}, version 1: ")


def test_another_log_is_said_to_be_one(
    sealed: Path, postgres: EmbeddedPostgres, template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with database(postgres, template) as other:
        two_conversations(other)
        tamper(other, "UPDATE migrations SET applied_at = '2001-02-03T04:05:06Z'")
        assert compare(other, sealed) == 1
    assert "this log was made at 2001-02-03 04:05:06, the sealed one at " in found(capsys)[0]


def test_other_shards_than_were_sealed_are_told(
    log: str, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "DELETE FROM lanes WHERE shard = 7")
    assert compare(log, sealed) == 1
    assert found(capsys)[0] == "the log has 7 shards, but 8 were sealed"


@pytest.fixture
def few_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the log were large: four events share a mark, so that 14 have four of them."""
    monkeypatch.setattr("service.verify.seal.MOST_MARKS", 0)
    monkeypatch.setattr("service.verify.seal.FEWEST_MARKS", 4)


@pytest.mark.usefixtures("few_marks")
def test_in_a_large_log_a_seal_narrows_it_down(
    log: str, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = seal(log, key, tmp_path / "sealed.json")
    assert compare(log, sealed) == 0
    change(log, "digest = sha256('x')", 3)
    capsys.readouterr()
    assert compare(log, sealed) == 1
    (line,) = found(capsys)
    assert line == (
        f"shard {SHARD_OF_ANN}, position 5: positions 5 to 8 do not hold the events that were sealed; "
        f"versions 3 to 5 of conversation {OTHER} are there; version 3 of conversation {VICTIM} is there"
    )


@pytest.mark.usefixtures("few_marks")
@pytest.mark.parametrize("last", [3, 12, 13])
def test_what_was_cut_off_between_two_marks_does_not_make_the_rest_look_changed(
    log: str, key: Path, tmp_path: Path, last: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = seal(log, key, tmp_path / "sealed.json")
    tamper(log, f"DELETE FROM events WHERE position > {last}")  # noqa: S608
    capsys.readouterr()
    assert compare(log, sealed) == 1
    (line,) = found(capsys)
    assert line.startswith(f"shard {SHARD_OF_ANN}, position {last + 1}: position")


def test_digests_that_were_cut_elsewhere_are_not_what_was_sealed(log: str, sealed: Path) -> None:
    """Put side by side they are the same bytes."""
    with connect(log) as connection:
        connection.execute("UPDATE events SET digest = digest || '\\x00' WHERE position = 1")
        connection.execute("UPDATE events SET digest = substr(digest, 2) WHERE position = 2")
    assert compare(log, sealed) == 1


def test_a_log_in_which_something_is_missing_is_not_sealed(
    log: str, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(log, 3)
    file = tmp_path / "sealed.json"
    assert main(["seal", "--dsn", log, "--key", str(key), "--out", str(file)]) == 1
    assert f"In shard {SHARD_OF_ANN} something is missing among positions 6 to 6" in capsys.readouterr().err
    assert not file.exists()


def test_a_position_beyond_all_bounds_does_not_keep_a_seal_busy_for_ever(
    log: str, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, f"position = {2**63 - 1}", 5)
    assert main(["seal", "--dsn", log, "--key", str(key), "--out", "-"]) == 1
    assert "something is missing among positions" in capsys.readouterr().err


def test_all_of_verify_includes_the_seal(log: str, sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = [
        "verify",
        "--dsn",
        log,
        "--seal",
        str(sealed),
        "--public-key",
        f"{sealed.with_name('seal.key')}.pub",
    ]
    assert main(whole) == 0
    tamper(log, "DELETE FROM events WHERE position > 10")
    forget(log)
    capsys.readouterr()
    assert main(whole) == 1
    told = capsys.readouterr().out
    assert "The log is what was recorded: 10 events" in told
    assert "The log is NOT what was sealed" in told
    assert "history: all" in told
