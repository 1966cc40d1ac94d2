import io
from contextlib import redirect_stdout

import pytest

from projections.following.follower import Follower
from service.cli.replay import replay
from service.replay.report import NoSuchProjection
from service.store.connections import Database, connect
from tests.projections.rebuilding.replayed import (
    LOG,
    Other,
    Spoken,
    Words,
    WordsAtOnce,
    built,
    connecting,
    generations,
    say,
    spoken,
    talk,
)
from tests.service.store.appending import said, storing


def run(dsn: str, *names: str, projection: Words | None = None, **more: bool) -> tuple[int, list[str]]:
    known = (projection or Words(), Other())
    with redirect_stdout(io.StringIO()) as told:
        code = replay(Database.open(dsn), known, names, processes=1, **more)
    return code, told.getvalue().splitlines()


def test_all_projections_are_built_where_none_is_named(dsn: str) -> None:
    talk(dsn, spoken(2))
    code, lines = run(dsn)
    assert code == 0
    assert lines[:2] == ["words is built: generation 1 is live", "other is built: generation 1 is live"]
    assert "appends waited" in lines[2]


def test_only_what_is_named_is_built(dsn: str) -> None:
    talk(dsn, spoken(2))
    run(dsn, "other")
    assert {"words", "other"} & {each.projection for each in generations(dsn)} == {"other"}


def test_a_name_that_is_none_is_told_with_those_that_are(dsn: str) -> None:
    with pytest.raises(NoSuchProjection, match="There is no projection histroy; there are words, other"):
        run(dsn, "histroy")


def test_a_check_says_that_all_is_well(dsn: str) -> None:
    talk(dsn, spoken(2))
    run(dsn)
    assert run(dsn, "words", check=True) == (0, ["words: all 14 rows are what the log says"])


def test_a_check_that_finds_something_says_what_and_fails(dsn: str) -> None:
    talk(dsn, spoken(2))
    run(dsn)
    with connect(dsn) as connection:
        connection.execute("UPDATE titles_g1 SET title = 'forged' WHERE conversation_id = %s", [Spoken(1).id])
    code, lines = run(dsn, "words", check=True)
    assert code == 1
    assert lines[0] == "words: DIFFERS from what the log says"
    assert f"conversation_id {Spoken(1).id} differs in title" in lines[1]


def test_what_is_parked_is_tried_again(dsn: str) -> None:
    built(dsn, Words())
    talk(dsn, spoken(1))
    with storing(dsn) as store:
        say(store, Spoken(0), said("poison", "bad"))
    Follower(connecting(dsn), LOG, [Words()]).run_once()
    code, lines = run(dsn, "words", parked=True)
    assert code == 1
    assert "still parked at position" in lines[0]
    code, lines = run(dsn, "words", parked=True, projection=Words(cured=True))
    assert (code, lines) == (0, [f"words: conversation {Spoken(0).id} is whole again"])
    assert run(dsn, parked=True) == (0, ["words: nothing is parked", "other is not built yet"])


def test_an_interrupted_replay_says_that_it_goes_on_when_started_again(
    dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.cli.replay.Rebuild.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replay(Database.open(dsn), [WordsAtOnce()], [])
    assert capsys.readouterr().out == (
        "Stopped. What was built so far is kept: starting the replay again goes on from there.\n"
    )


def test_lines_go_to_stderr_and_results_do_not(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    talk(dsn, spoken(1))
    replay(Database.open(dsn), [Words()], [], processes=1)
    told = capsys.readouterr()
    assert "copying" in told.err
    assert "words is built" in told.out
