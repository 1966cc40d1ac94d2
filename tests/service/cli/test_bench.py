"""`hansard bench`, as one who measures meets it: what it prints, what it leaves behind, what it refuses."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from service.bench.figures import Figure
from service.bench.place import Place
from service.bench.planned import NodeSize, PlannedRecord
from service.bench.subjects import SUBJECTS
from service.cli.bench import arguments, command_of, measure, planned_of
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


def test_the_help_lists_every_subject() -> None:
    told = hansard("bench", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    for name, said in SUBJECTS.items():
        assert f"  {name} " in told.stdout
        assert said in told.stdout


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


def test_what_is_planned_for_is_said_by_flags_and_in_the_table() -> None:
    options = options_of("scale", "--users", "5", "--disk", "3")
    assert planned_of(options) == PlannedRecord(users=5, node=NodeSize(disk=3))
    assert command_of("scale", options) == "`hansard bench scale --users 5 --disk 3`"
    assert command_of("reads", options) == "`hansard bench reads`"


def options_of(*given: str) -> Namespace:
    parser = ArgumentParser()
    arguments(parser)
    return parser.parse_args(given)
