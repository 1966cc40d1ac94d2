"""`hansard bench`, as one who measures meets it: what it prints, what it leaves behind, what it refuses."""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from service.bench.asking import Connection, NotAnswered, getting
from service.bench.figures import Figure, Timing, duration, faster, slower, table, timing
from service.bench.place import Place, place
from service.bench.report import NoPlaceForTable, put
from service.bench.serving import NotInstalled, serving, serving_plain
from service.bench.subjects import SUBJECTS, subject
from service.cli.bench import arguments, measure
from tests.serving import hansard

HEADINGS = ["what", "Hansard", "the other side", "ratio", "goal", "reached"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_quick_measurement_prints_its_table_and_leaves_nothing_behind(data: Path) -> None:
    data.mkdir()
    told = hansard("bench", "--quick", "appends", "--data", str(data), HANSARD_DSN="postgresql://nowhere/")
    assert told.returncode == 0, told.stderr
    lines = [cells(line) for line in told.stdout.splitlines() if line.startswith("|")]
    assert lines[0] == HEADINGS
    assert all(len(line) == len(HEADINGS) for line in lines)
    rows = {line[0]: line[1:] for line in lines[2:]}
    assert rows["store, 64 tasks; library, 64 threads"][3] == "at least 10\N{MULTIPLICATION SIGN}"
    assert rows["the same by itself"][3:] in (["at least 8,000/s", "yes"], ["at least 8,000/s", "**no**"])
    assert "`hansard bench appends --quick`, 1 round." in told.stdout
    assert "appends: " + SUBJECTS["appends"] in told.stderr  # that it goes on can be seen meanwhile
    assert os.listdir(data) == []


def test_over_http_each_side_is_asked_for_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Place, "seconds", 1.0)  # less is not enough where much else is done
    data.mkdir()
    said: list[str] = []
    with place(None, data, said.append, quick=True, events=None) as here:
        figures = subject("http")(here, 1)
    assert [figure.what.partition(";")[0] for figure in figures if figure.goal] == [
        "durable messages, 32 connections",
        "durable messages, 32 connections",
        "the slowest hundredth of them",
        "durable messages, 1 connection",
        "newest 50 messages of a conversation, 32 connections",
        "newest 50 messages of a conversation, 32 connections",
        "list of 20 conversations among 1,000, 32 connections",
    ]
    assert all(figure.ratio or figure.what.startswith("the slowest") for figure in figures)


def test_what_is_compared_with_has_to_be_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("service.bench.serving.find_spec", lambda name: None)
    with (
        pytest.raises(NotInstalled, match="fastapi, sqlmodel, uvicorn: `make bench` installs it"),
        serving_plain("", tmp_path / "said"),
    ):
        raise AssertionError("it was started")


def test_a_refusal_is_no_answer_to_measure(dsn: str, tmp_path: Path) -> None:
    async def ask(url: str) -> None:
        connection = await Connection.to(url)
        assert await connection.ask(getting("/health/live")) == b'{"status":"live"}'
        with pytest.raises(NotAnswered, match="no-such-path"):
            await connection.ask(getting("/nowhere"))
        await connection.close()

    with serving(tmp_path / "data", tmp_path / "said", "--dsn", dsn) as service:
        asyncio.run(ask(service.url))


def test_the_help_lists_every_subject() -> None:
    told = hansard("bench", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    for name, said in SUBJECTS.items():
        assert f"  {name} " in told.stdout
        assert said in told.stdout


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_subject_can_be_loaded_and_begins_with_what_it_is_listed_as(name: str) -> None:
    run = subject(name)
    assert run.__module__ == f"service.bench.subjects.{name}"
    module = sys.modules[run.__module__]
    assert (module.__doc__ or "").replace("\n", " ") == SUBJECTS[name]


def test_a_subject_that_there_is_not_is_told_in_one_line() -> None:
    told = hansard("bench", "apends")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "there is no subject apends, but appends, batches" in told.stderr


def test_what_could_not_be_measured_is_said_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(place: Place, rounds: int) -> list[Figure]:
        if rounds == 2:
            raise ExceptionGroup("tasks", [ValueError("the disk is full")])
        return [Figure("something", "1/s")]

    monkeypatch.setattr("service.cli.bench.subject", lambda name: run)
    place = Place("", tmp_path, lambda line: None)
    monkeypatch.setattr(Place, "words", lambda place: "here")
    assert measure(place, options_of("appends", "batches", "--rounds", "2")) == 1
    told = capsys.readouterr()
    assert "**appends** could not be measured: ValueError: the disk is full" in told.out
    assert told.err.splitlines()[-1] == "hansard: could not be measured: appends, batches"
    assert "the disk is full" in told.err
    assert measure(place, options_of("appends", "--rounds", "1")) == 0
    assert "| something | 1/s" in capsys.readouterr().out


def options_of(*given: str) -> Namespace:
    parser = ArgumentParser()
    arguments(parser)
    return parser.parse_args(given)


def test_a_table_takes_the_place_of_the_one_before_it_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text("Before\n<!-- bench reads -->\nold\n<!-- end reads -->\nAfter\n")
    put(file, "reads", "new")
    put(file, "reads", "newer")
    assert file.read_text() == "Before\n<!-- bench reads -->\n\nnewer\n\n<!-- end reads -->\nAfter\n"
    with pytest.raises(NoPlaceForTable, match="has no place for search"):
        put(file, "search", "new")


def test_the_page_on_performance_has_a_place_for_every_subject(tmp_path: Path) -> None:
    copy = tmp_path / "performance.md"
    copy.write_text((Path(__file__).parents[2] / "docs" / "performance.md").read_text("utf-8"), "utf-8")
    for name in SUBJECTS:
        put(copy, name, "new")


def test_rounds_are_compared_one_by_one_and_the_middle_counts() -> None:
    ours = [Timing(rate, 0.001, 0.002) for rate in (10, 200, 30)]
    theirs = [Timing(rate, 0.001, 0.002) for rate in (10, 10, 10)]
    figure = faster("what", ours, theirs, 4)
    assert (figure.ratio, figure.reached) == (3, False)
    assert figure.ours == "30/s (10-200), p50 1.0 ms, p99 2.0 ms"
    assert slower("what", [(1, 1), (2, 1), (3, 1)], 2).reached


def test_a_table_can_be_read_as_it_is_and_as_markdown() -> None:
    figures = [Figure("one", "1/s"), Figure("another", "2/s", "1/s", 2, "at least 3", reached=False)]
    assert len({len(line) for line in table(figures).splitlines()}) == 1


def test_what_was_not_done_at_all_has_no_speed() -> None:
    with pytest.raises(ValueError, match="nothing was done"):
        timing([], 1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.000_4, "400 µs"), (0.001, "1.0 ms"), (0.05, "50 ms"), (0.9999, "1.0 s"), (3, "3.0 s")],
)
def test_times_are_said_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words
