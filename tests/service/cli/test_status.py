"""`hansard status` tells how far everything is, and asks for a person where one is needed."""

import json
from uuid import uuid4

import pytest

from projections.generations import create
from projections.history import History
from service.cli.main import main
from service.store.connections import connect
from service.store.log import DatabaseLog
from tests.cluster import TOPOLOGY
from tests.conftest import SHARDS
from tests.service.watch.given import PROJECTIONS, append, change


def command(dsn: str, *flags: str) -> int:
    return main(["status", "--dsn", dsn, *flags])


def test_a_log_that_is_whole_needs_nobody(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    append(dsn, 5)
    assert command(dsn) == 0
    told = capsys.readouterr().out
    assert f"5 events in {SHARDS} shards, 0 to 5 in each; 1 lane" in told
    assert "guarded: hansard_runtime can add to the log and read it, and nothing else" in told
    assert [line.split()[:5] for line in told.splitlines() if line.startswith("history")] == [
        ["history", "1", "1", "in", "step"]
    ]


def test_every_line_fits_a_terminal(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    append(dsn, 3)
    park(dsn)
    command(dsn, "--shards")
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def park(dsn: str) -> None:
    given = f"0, 'history', 1, '{uuid4()}', 3, 'ValueError: no such thing', now()"
    change(dsn, f"INSERT INTO parked VALUES ({given})")  # noqa: S608


def test_a_parked_conversation_needs_somebody(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    park(dsn)
    assert command(dsn) == 1
    assert "1 conversation parked: hansard replay --parked tries again" in capsys.readouterr().out


def test_why_a_conversation_is_parked_is_told_when_asked(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    park(dsn)
    command(dsn)
    assert "no such thing" not in capsys.readouterr().out
    command(dsn, "--parked")
    told = capsys.readouterr().out
    assert "shard 0, position 3" in told
    assert "ValueError: no such thing" in told


def test_a_projection_that_is_not_built_for_this_code_needs_a_replay(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(dsn, "UPDATE generations SET version = 'older' WHERE projection IN ('search', 'usage')")
    assert command(dsn) == 1
    told = capsys.readouterr().out
    assert "not built for this version yet: hansard replay search usage" in told
    assert "build 1 of search (version older) is for another version of Hansard" in told


def test_a_build_under_way_and_what_an_older_one_left_are_told(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    append(dsn, 4)
    with connect(dsn) as connection:
        create(connection, History(), DatabaseLog(TOPOLOGY), "building")
    change(dsn, "UPDATE checkpoints SET position = 1 WHERE projection = 'history' AND generation = 2 ")
    change(dsn, "INSERT INTO generations VALUES ('usage', 2, '1', 'retired', now())")
    assert command(dsn) == 0
    told = capsys.readouterr().out
    assert "build 2 of history (version 1) is being built: 1 of 4 events, 25%" in told
    assert "build 2 of usage (version 1) is not read any more: the next replay drops it" in told


def test_a_program_gets_everything_as_json(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    append(dsn, 2)
    assert command(dsn, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["events"] == sum(shard["events"] for shard in told["shards"]) == 2
    assert [each["name"] for each in told["projections"]] == [each.name for each in PROJECTIONS]


def test_each_shard_is_told_when_asked(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    append(dsn, 2)
    command(dsn, "--shards")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines.count(["5", "0", "2"]) == 1


def test_a_database_that_was_never_migrated_is_told_in_one_line(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(empty_dsn) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "hansard migrate" in told.err
