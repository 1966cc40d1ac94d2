"""What a terminal is shown, and what a log is."""

import io
from argparse import ArgumentTypeError

import pytest

from projections.rebuilding.progress import Progress
from service.cli.terminal import Bar, Lines, counted, line_of, positive


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_one_line_that_is_gone_at_the_end() -> None:
    stream = Terminal()
    with Bar(stream) as bar:
        bar(Progress("copying", 500, 1000, 50.0, 10.0))
    shown = stream.getvalue()
    assert "\n" not in shown
    assert "500/1,000" in shown
    assert shown.endswith("\r\x1b[K")


def test_a_bar_writes_nothing_where_nobody_watches() -> None:
    stream = io.StringIO()
    with Bar(stream) as bar:
        bar(Progress("copying", 500, 1000, 50.0, 10.0))
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress("indexing", 0, 0, 0.0, None), "indexing …"),
        (Progress("copying", 0, 1000, 0.0, None), "copying  ░░░░░░░░░░░░░░░░░░░░░░░░   0%  0/1,000  0/s"),
        (
            Progress("copying", 500, 1000, 50.0, 70.0),
            "copying  ████████████░░░░░░░░░░░░  50%  500/1,000  50/s  1:10 left",
        ),
        (
            Progress("copying", 2000, 1000, 50.0, 3700.0),
            "copying  ████████████████████████ 100%  2,000/1,000  50/s  1:01:40 left",
        ),
    ],
)
def test_how_far_something_has_come_is_one_line(progress: Progress, line: str) -> None:
    assert line_of(progress) == line


def test_without_a_terminal_there_is_a_line_at_each_stage_and_then_one_in_ten_seconds() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = Lines(stream, lambda: now[0])
    lines(Progress("copying", 0, 1000, 0.0, None))
    lines(Progress("copying", 100, 1000, 50.0, 18.0))
    now[0] = 10.0
    lines(Progress("copying", 500, 1000, 50.0, 10.0))
    lines(Progress("indexing", 0, 0, 0.0, None))
    assert stream.getvalue().splitlines() == [
        "copying 0 of 1,000 events",
        "copying 500 of 1,000 events at 50 a second with 10 s left",
        "indexing",
    ]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", ""])
def test_what_is_no_number_of_things_is_told(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a whole number, 1 or more"):
        positive(text)


def test_numbers_of_things_are_said_in_good_english() -> None:
    said = [counted(number, "event") for number in (0, 1, 2_000)]
    assert said == ["0 events", "1 event", "2,000 events"]
