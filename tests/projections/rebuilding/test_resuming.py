import multiprocessing
import os
from multiprocessing.connection import Connection as Pipe

import pytest

from projections.errors import ReplayIsRunning
from projections.generations import building
from projections.rebuilding.guard import OURS, guarded
from projections.rebuilding.progress import Progress
from tests.projections.rebuilding.replayed import (
    Other,
    Words,
    WordsAtOnce,
    connected,
    generations,
    positions,
    spoken,
    talk,
    wanted,
)
from tests.projections.rebuilding.test_rebuild import SMALL, Report, now, replay, talk_more
from tests.service.store.appending import rows


def stop_at(chunk: int) -> Report:
    """Interrupts the build at a chunk."""
    reports = []

    def report(progress: Progress) -> None:
        if progress.stage == "copying" and progress.done:
            reports.append(progress)
            if len(reports) == chunk:
                raise KeyboardInterrupt

    return report


@pytest.fixture
def every_chunk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.rebuilding.progress.TELL_EVERY", 0.0)


@pytest.mark.usefixtures("every_chunk_is_told")
def test_a_build_that_was_stopped_goes_on_where_it_was(dsn: str) -> None:
    talk(dsn, spoken(20))
    whole = rows(dsn, "SELECT count(*) FROM events")[0][0]
    with pytest.raises(KeyboardInterrupt):
        replay(dsn, Words(), report=stop_at(20))
    with connected(dsn) as connection:
        begun = building(connection, Words())
    assert begun is not None
    assert 0 < sum(position or 0 for position in positions(dsn, begun).values()) < whole
    totals = list[int]()
    rebuilt = replay(dsn, Words(), report=lambda progress: totals.append(progress.total))
    assert max(totals) < whole
    assert [each.number for each in rebuilt.generations] == [begun.number]
    assert now(dsn, Words()) == wanted(dsn, Words())


@pytest.mark.usefixtures("every_chunk_is_told")
def test_a_restart_begins_anew(dsn: str) -> None:
    talk(dsn, spoken(10))
    with pytest.raises(KeyboardInterrupt):
        replay(dsn, Words(), report=stop_at(9))
    totals = list[int]()
    replay(dsn, Words(), report=lambda progress: totals.append(progress.total), restart=True)
    assert max(totals) == rows(dsn, "SELECT count(*) FROM events")[0][0]
    assert len(generations(dsn)) == 1
    assert now(dsn, Words()) == wanted(dsn, Words())


@pytest.mark.parametrize("stage", ["indexing", "applying what waited", "switching"])
def test_a_build_that_was_stopped_late_goes_on_too(dsn: str, stage: str) -> None:
    talk(dsn, spoken(10))

    def report(progress: Progress) -> None:
        if progress.stage == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(dsn, WordsAtOnce(), report=report)
    talk_more(dsn)
    replay(dsn, WordsAtOnce())
    assert now(dsn, WordsAtOnce()) == wanted(dsn, Words())


def build_and_wait(dsn: str, pipe: Pipe) -> None:
    """Another process: at every chunk it says so, and waits to be told to go on."""

    def report(progress: Progress) -> None:
        if progress.stage == "copying" and progress.done:
            pipe.send(progress.done)
            pipe.recv()

    os.environ.clear()
    from projections.rebuilding import progress

    progress.TELL_EVERY = 0.0  # type: ignore[misc]
    replay(dsn, Words(), report=report)


def test_a_build_that_was_killed_goes_on_where_it_was(dsn: str) -> None:
    talk(dsn, spoken(20))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=build_and_wait, args=(dsn, theirs))
    process.start()
    for _ in range(15):
        done = ours.recv()
        ours.send(None)
    ours.recv()
    process.kill()
    process.join()
    totals = list[int]()
    until_guard_is_gone(dsn)
    rebuilt = replay(dsn, Words(), report=lambda progress: totals.append(progress.total))
    assert max(totals) <= rebuilt.events - done + SMALL.segment_events
    assert now(dsn, Words()) == wanted(dsn, Words())


def until_guard_is_gone(dsn: str) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
    while rows(dsn, held, OURS) != [(0,)]:
        pass


def test_two_replays_of_a_projection_do_not_run_at_once(dsn: str) -> None:
    talk(dsn, spoken(1))
    with connected(dsn) as connection, guarded(connection, [Words()]):
        pid = connection.info.backend_pid
        with pytest.raises(ReplayIsRunning, match=f"process {pid}"):
            replay(dsn, Other(), Words())
        replay(dsn, Other())
    replay(dsn, Words())
