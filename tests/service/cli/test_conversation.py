"""A command is told of a conversation by its name, where one user alone has that."""

from pathlib import Path
from uuid import UUID

import pytest

from domain.events import ConversationStarted
from service.cli.main import main
from service.hansard import projections_of
from service.settings.settings import Settings
from tests.service.store.appending import asked, said, storing
from tests.service.verify.tampering import OTHER, VICTIM, append

ALONE, SHARED = "thr_alone", "thr_shared"
ANOTHER = UUID(int=OTHER.int + 1)


@pytest.fixture
def log(dsn: str) -> str:
    written = [each for each in projections_of(Settings()) if each.with_append]
    with storing(dsn, written) as store:
        append(store, VICTIM, [ConversationStarted(name=ALONE), said("secret")])
        append(store, OTHER, [ConversationStarted(name=SHARED)])
        store.append_blocking(asked(store, ANOTHER, [ConversationStarted(name=SHARED)], user_id="bob"))
    return dsn


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["verify"], "Conversation ID is what was recorded: 2 events"),
        (["export"], '"conversation_id":"ID"'),
        (["erase", "--yes"], "erased 1 conversations, 1 messages"),
    ],
)
def test_a_name_does_as_well_as_the_id(
    log: str, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, "--dsn", log, "--conversation", ALONE]) == 0
    assert says in capsys.readouterr().out.replace(str(VICTIM), "ID")


def test_a_name_that_nobody_has_is_said_to_be_none(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (["verify"], ["export", "--out", str(tmp_path / "file")], ["erase", "--yes"]):
        assert main([*flags, "--dsn", log, "--conversation", "thr_nobodys"]) == 1
        assert "There is no conversation of the name thr_nobodys" in capsys.readouterr().err
    assert not (tmp_path / "file").exists()


def test_a_name_that_two_users_have_is_not_enough(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--dsn", log, "--conversation", SHARED]) == 1
    assert f"say its id, which is {OTHER} or {ANOTHER}" in capsys.readouterr().err
