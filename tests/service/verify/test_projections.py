"""The projections are compared with a fresh fold of the log, where the log allows it."""

import pytest

from service.cli.main import main
from tests.service.verify.tampering import SHARD_OF_ANN, VICTIM, follow, remove, tamper, two_conversations


@pytest.fixture
def log(dsn: str) -> str:
    return two_conversations(dsn)


@pytest.fixture
def followed(log: str) -> str:
    """The same, and every projection has got all of it."""
    follow(log)
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
