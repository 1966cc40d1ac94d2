"""`hansard verify` as a whole: what it reads, what it says, and in which words."""

import json
from uuid import uuid4

import pytest

from service.cli.main import main
from tests.service.store.appending import said, started, storing
from tests.service.verify.tampering import (
    OTHER,
    SHARD_OF_ANN,
    VICTIM,
    append,
    change,
    found,
    named,
    names,
    tamper,
    two_conversations,
    verify,
)
from tests.serving import hansard

BROKEN_OFF = """
    INSERT INTO drafts (shard, conversation_id, reply_id, user_id, in_reply_to, is_fortune, process_id,
        lease_until, started_at)
    VALUES (%(shard)s, %(conversation)s, 'reply', 'ann', 'message', false, gen_random_uuid(),
        now() + make_interval(secs => %(seconds)s), now())"""


@pytest.fixture
def log(dsn: str) -> str:
    return two_conversations(dsn)


def test_a_log_that_nobody_touched_is_what_was_recorded(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(log) == 0
    assert "what was recorded: 14 events of 2 conversations" in capsys.readouterr().out


def test_one_event_of_one_conversation_is_counted_in_good_english(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with storing(dsn) as store:
        append(store, VICTIM, started())
    assert verify(dsn) == 0
    assert "what was recorded: 1 event of 1 conversation (" in capsys.readouterr().out
    assert verify(dsn, "--conversation", str(VICTIM)) == 0
    assert capsys.readouterr().out.endswith("what was recorded: 1 event\n")


def test_a_reply_that_broke_off_and_was_not_ended_is_named(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, BROKEN_OFF, conversation=VICTIM, seconds=-30)
    assert main(["verify", "--dsn", log, "--only", "replies"]) == 0
    tamper(log, BROKEN_OFF, conversation=OTHER, seconds=-90)
    capsys.readouterr()
    assert main(["verify", "--dsn", log]) == 1
    (line,) = found(capsys)
    assert line.startswith(f"shard {SHARD_OF_ANN}, conversation {OTHER}: its reply broke off at ")


def test_a_program_gets_one_object(log: str) -> None:
    command = ("verify", "--dsn", log, "--json")
    told = hansard(*command)
    assert told.returncode == 0
    assert json.loads(told.stdout)["holds"] is True
    change(log, "actor = 'bob'", 3)
    told = hansard(*command)
    assert told.returncode == 1
    report = json.loads(told.stdout)
    assert report["holds"] is False
    assert [each["part"] for each in report["outcomes"] if not each["holds"]] == ["chains"]
    (fault,) = report["outcomes"][0]["faults"]
    place = {"shard": SHARD_OF_ANN, "position": 6, "conversation_id": str(VICTIM), "version": 3}
    assert {name: fault[name] for name in place} == place


def test_one_conversation_can_be_checked_alone(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(log, "topic = 'message_revised'", 3)
    assert verify(log, "--conversation", str(OTHER)) == 0
    assert "9 events" in capsys.readouterr().out
    assert verify(log, "--conversation", str(VICTIM)) == 1
    assert named(found(capsys), 3)


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


def test_the_command_of_its_own_process_says_the_same(log: str) -> None:
    command = ("verify", "--dsn", log, "--only", "chains")
    assert hansard(*command).returncode == 0
    change(log, "digest = '\\x00'", 3)
    told = hansard(*command)
    assert told.returncode == 1
    assert any(names(line.strip(), 3) for line in told.stdout.splitlines())


def test_a_seal_is_of_the_whole_log(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = "01931b9e-0000-7000-8000-000000000000"
    assert main(["verify", "--dsn", dsn, "--seal", "sealed.json", "--conversation", one]) == 2
    assert "leave out the --conversation" in capsys.readouterr().err
    assert main(["verify", "--dsn", dsn, "--only", "seal"]) == 2
