"""What is measured, how it is compared, and what is made of it."""

import asyncio
import sys
from pathlib import Path

import pytest

from service.bench.asking import Connection, NotAnswered, getting
from service.bench.figures import Figure, Timing, duration, faster, slower, table, timing
from service.bench.measuring import at_once
from service.bench.place import Place, place
from service.bench.report import NoPlaceForTable, put
from service.bench.serving import NotInstalled, serving, serving_plain
from service.bench.subjects import SUBJECTS, subject


def test_over_http_each_side_is_asked_for_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "seconds", 0.1)
    data.mkdir()
    said: list[str] = []
    with place(None, data, said.append, quick=True, events=None) as here:
        figures = [each for each in subject("http")(here, 1) if isinstance(each, Figure)]
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


def test_what_takes_longer_than_it_is_measured_counts_with_the_time_that_it_took() -> None:
    async def slow(number: int) -> None:
        await asyncio.sleep(0.2)

    found = asyncio.run(at_once(2, 0.02, slow))
    assert found.p50 >= 0.2
    assert 0 < found.rate <= 2 / 0.2


def test_a_refusal_is_no_answer_to_measure(dsn: str, tmp_path: Path) -> None:
    async def ask(url: str) -> None:
        connection = await Connection.to(url)
        assert await connection.ask(getting("/health/live")) == b'{"status":"live"}'
        with pytest.raises(NotAnswered, match="no-such-path"):
            await connection.ask(getting("/nowhere"))
        await connection.close()

    with serving(tmp_path / "data", tmp_path / "said", "--dsn", dsn) as service:
        asyncio.run(ask(service.url))


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_subject_can_be_loaded_and_begins_with_what_it_is_listed_as(name: str) -> None:
    run = subject(name)
    assert run.__module__ == f"service.bench.subjects.{name}"
    module = sys.modules[run.__module__]
    assert (module.__doc__ or "").replace("\n", " ") == SUBJECTS[name]


def test_a_table_takes_the_place_of_the_one_before_it_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text("Before\n<!-- bench reads -->\nold\n<!-- end reads -->\nAfter\n")
    put([file], "reads", "new")
    put([file], "reads", "newer")
    assert file.read_text() == "Before\n<!-- bench reads -->\n\nnewer\n\n<!-- end reads -->\nAfter\n"
    with pytest.raises(NoPlaceForTable, match="has no place for search"):
        put([file], "search", "new")


def test_the_pages_have_a_place_for_every_subject(tmp_path: Path) -> None:
    copies = []
    for page in ("performance.md", "scale.md"):
        copies.append(tmp_path / page)
        copies[-1].write_text((Path(__file__).parents[3] / "docs" / page).read_text("utf-8"), "utf-8")
    for name in SUBJECTS:
        put(copies, name, "new")


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
