"""`hansard migrate`: what it says of what it has done, and of what is left to be done."""

import pytest

from service.cli.main import main
from service.store.connections import connect
from tests.conftest import SHARDS
from tests.service.verify.tampering import two_conversations


def test_it_names_what_it_applied_and_the_second_time_there_is_nothing(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["migrate", "--dsn", empty_dsn, "--shards", str(SHARDS)]
    assert main(command) == 0
    *applied, last = capsys.readouterr().out.splitlines()
    assert applied
    assert all(line.startswith("Applied 0") for line in applied)
    assert last == f"The database is up to date: {SHARDS} shards"
    assert main(command) == 0
    assert capsys.readouterr() == (f"{last}\n", "")


def test_a_projection_that_only_a_replay_can_build_is_named_with_how(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    two_conversations(dsn)
    with connect(dsn) as connection:
        connection.execute("UPDATE generations SET version = 'older' WHERE projection = 'usage'")
    assert main(["migrate", "--dsn", dsn]) == 0
    assert capsys.readouterr().err == (
        "hansard: usage has to be built before it can be read: run `hansard replay usage`\n"
    )
