import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors

from domain.events import ConversationErased, ConversationStarted, MessageAdded, MessageRated, MessageRemoved
from domain.recorded import Recorded
from projections.conversations import Conversations
from projections.following import parking, unparking
from projections.following.follower import Follower
from projections.generations import drop, live
from projections.history import History
from projections.projection import Projection
from projections.rebuilding import filling
from projections.rebuilding.loaders import LoaderFailed
from projections.rebuilding.loading import LoadLimits
from projections.rebuilding.progress import Progress
from projections.rebuilding.rebuild import Rebuild, Rebuilt
from projections.rows.apply import COPY_FROM
from projections.rows.changes import Change, Update
from projections.search import Search
from projections.usage import Usage
from service.store.connections import connect
from tests.conftest import SHARDS
from tests.projections.rebuilding.replayed import (
    COUNTS,
    LOG,
    Other,
    Spoken,
    Words,
    WordsAtOnce,
    built,
    connected,
    connecting,
    contents,
    generations,
    positions,
    refuse_without_a_word,
    say,
    spoken,
    tables_there,
    talk,
    wanted,
)
from tests.service.store.appending import lane_held, rows, said, storing, wait_until_blocked

SMALL = LoadLimits(chunk_events=7, segment_events=20, segment_rows=50)
REAL: tuple[Projection, ...] = (History(), Conversations(), Search("simple"), Usage())
Report = Callable[[Progress], None]


def replay(
    dsn: str,
    *projections: Projection,
    report: Report = lambda _: None,
    limits: LoadLimits = SMALL,
    **more: Any,
) -> Rebuilt:
    return Rebuild(connecting(dsn), LOG, projections, report, limits=limits, **more).run()


def now(dsn: str, projection: Projection) -> dict[str, list[tuple[Any, ...]]]:
    """What is read of it."""
    with connected(dsn) as connection:
        generation = live(connection, projection)
    assert generation is not None
    return contents(dsn, projection, generation.number)


def talk_more(dsn: str) -> None:
    with storing(dsn) as store:
        for each in spoken(10):
            say(store, each, said("more", "more"), MessageRated("m2", "down"), MessageRemoved("m3"))


def test_a_projection_is_built_from_the_log_in_chunks_of_any_size(dsn: str) -> None:
    talk(dsn, spoken(12))
    for size in (1, 3, 1000):
        replay(dsn, Words(), limits=LoadLimits(chunk_events=size, segment_events=2 * size))
        assert now(dsn, Words()) == wanted(dsn, Words())


def test_changes_of_rows_that_are_copied_already_come_in_order(dsn: str) -> None:
    one, two = spoken(2)
    with storing(dsn) as store:
        for each in (one, two):
            say(store, each, ConversationStarted(), said("a", "a"), said("b", "b"))
        for rating in ("up", "down", "up"):
            say(store, one, MessageRated("a", rating), said(message_id=f"after {rating}"))
        say(store, one, MessageRemoved("b"), said("again", "b"), MessageRated("b", "up"))
        say(store, two, ConversationErased(requested_by="ada", reason="asked"))
    replay(dsn, Words(), limits=LoadLimits(chunk_events=2, segment_events=2))
    assert now(dsn, Words()) == wanted(dsn, Words())
    assert rows(dsn, "SELECT count(*) FROM deferred") == [(0,)]


def test_several_projections_are_built_in_one_pass(dsn: str) -> None:
    talk(dsn, spoken(5))
    rebuilt = replay(dsn, WordsAtOnce(), Other())
    assert [each.projection for each in rebuilt.generations] == ["words", "other"]
    assert now(dsn, WordsAtOnce()) == wanted(dsn, Words())
    assert now(dsn, Other()) == wanted(dsn, Other())


def test_several_processes_fill_a_build_together(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "WORTH_LOADING", 50)
    talk(dsn, spoken(20))
    replay(dsn, Words(), processes=2)
    assert now(dsn, Words()) == wanted(dsn, Words())


def test_when_a_process_that_fills_is_killed_the_build_stops(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "WORTH_LOADING", 1)
    talk(dsn, spoken(4))
    with pytest.raises(LoaderFailed):
        replay(dsn, Deadly(), processes=2)
    replay(dsn, Words(), processes=2)
    assert now(dsn, Words()) == wanted(dsn, Words())


class Deadly(Words):
    def changes(self, recorded: Recorded) -> Any:
        os._exit(1)


def test_the_older_build_is_dropped_and_the_new_one_is_in_step(dsn: str) -> None:
    words = WordsAtOnce()
    built(dsn, words)
    talk(dsn, spoken(5), projections=[words])
    replay(dsn, words)
    [generation] = generations(dsn)
    assert (generation.number, generation.stage) == (2, "live")
    assert set(positions(dsn, generation).values()) == {None}
    assert tables_there(dsn) == {"lines_g2", "titles_g2", "counts_g2"}
    with storing(dsn, [words]) as store:
        say(store, Spoken(0), said("in the new one"))
    assert now(dsn, words) == wanted(dsn, words)


def test_indexes_are_those_of_a_build_that_was_live_from_the_start(dsn: str) -> None:
    built(dsn, *REAL)
    first = indexes(dsn)
    talk(dsn, spoken(2))
    with connected(dsn) as connection:
        connection.execute("UPDATE generations SET stage = 'retired'")
    replay(dsn, *REAL)
    assert indexes(dsn) == first
    assert len(first) > len(REAL)


def indexes(dsn: str) -> list[tuple[Any, ...]]:
    query = """SELECT regexp_replace(indexdef, '_g[0-9]+', '', 'g') FROM pg_indexes
               WHERE schemaname = 'hansard' AND tablename ~ '_g[0-9]+$' ORDER BY 1"""
    return rows(dsn, query)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_real_projections_are_what_a_plain_fold_of_any_history_is(dsn: str, data: st.DataObject) -> None:
    from tests.projections.given import histories

    history = data.draw(histories)
    with connect(dsn) as connection:
        connection.execute("TRUNCATE events")
    with storing(dsn) as store:
        for recorded in history:
            say(store, Told(recorded), recorded.event)
    replay(dsn, *REAL, limits=LoadLimits(chunk_events=3, segment_events=6), restart=True)
    for projection in REAL:
        assert now(dsn, projection) == wanted(dsn, projection)


class Told(Spoken):
    def __init__(self, recorded: Recorded) -> None:
        super().__init__(recorded.conversation_id.int)
        self.id = recorded.conversation_id


@pytest.mark.parametrize("words", ["poison", "\0"])
def test_a_build_parks_what_it_cannot_take_and_all_else_is_there(dsn: str, words: str) -> None:
    sick, *others = spoken(8)
    talk(dsn, [sick, *others], messages=2)
    with storing(dsn) as store:
        at = say(store, sick, said(words, "bad"))
        say(store, sick, said("after it", "after"))
    talk_more(dsn)
    rebuilt = replay(dsn, Words())
    assert rebuilt.parked == 1
    with connected(dsn) as connection:
        assert [
            (each.conversation_id, each.position) for each in parking.waiting(connection, range(SHARDS))
        ] == [(sick.id, at)]
        unparking.retry(connection, LOG, Words(cured=True))
    assert now(dsn, Words()) == wanted(dsn, Words(cured=True))


def test_what_a_copy_says_nothing_of_is_found_by_a_build_too(dsn: str) -> None:
    sick, *others = spoken(8)
    talk(dsn, [sick, *others], messages=2)
    with storing(dsn) as store:
        say(store, sick, *(said("fine", f"more {number}") for number in range(COPY_FROM)))
        at = say(store, sick, said("fine", "bad"))
    talk_more(dsn)

    def refuse(progress: Progress) -> None:
        if progress.stage == "copying" and not progress.done:
            refuse_without_a_word(dsn)

    assert replay(dsn, Words(), report=refuse, limits=LoadLimits()).parked == 1
    with connected(dsn) as connection:
        [parked] = parking.waiting(connection, range(SHARDS))
    assert (parked.conversation_id, parked.position) == (sick.id, at)
    assert parked.error.startswith("CheckViolation"), "it says what the row was refused for"


class Unfoldable(Words):
    """One of its changes is refused when it is folded, and not when it is made."""

    def changes(self, recorded: Recorded) -> Iterable[Change]:
        yield from super().changes(recorded)
        if isinstance(recorded.event, MessageAdded) and recorded.event.content == "unfoldable":
            yield Update(COUNTS, (recorded.shard, recorded.user_id), put={"messages": 0})


def test_what_cannot_be_folded_is_parked_though_more_of_the_log_is_on_its_way(dsn: str) -> None:
    sick, other = spoken(2)
    talk(dsn, [sick, other], messages=2)
    with storing(dsn) as store:
        say(store, sick, said("unfoldable"), *(said("word " * 100) for _ in range(500)))
    rebuilt = replay(dsn, Unfoldable(), limits=LoadLimits())
    assert rebuilt.parked == 1
    assert len(now(dsn, Unfoldable())["lines"]) == 4


def test_what_postgresql_refuses_of_a_deferred_event_is_parked(dsn: str) -> None:
    sick, *others = spoken(8)
    talk(dsn, [sick, *others], messages=2)
    with storing(dsn) as store:
        at = say(store, sick, MessageRated("m0", "\0"))
    talk_more(dsn)
    assert replay(dsn, Words()).parked == 1
    with connected(dsn) as connection:
        assert [
            (each.conversation_id, each.position) for each in parking.waiting(connection, range(SHARDS))
        ] == [(sick.id, at)]


def test_what_follows_behind_goes_on_from_where_the_build_ended(dsn: str) -> None:
    talk(dsn, spoken(3))
    replay(dsn, Words())
    talk_more(dsn)
    Follower(connecting(dsn), LOG, [Words()]).run_once()
    assert now(dsn, Words()) == wanted(dsn, Words())


def test_an_append_that_waits_for_the_switch_is_in_the_new_build(dsn: str) -> None:
    words = WordsAtOnce()
    built(dsn, words)
    talk(dsn, spoken(3), projections=[words])
    with storing(dsn, [words]) as store:
        with lane_held(dsn):
            switching = threading.Thread(target=replay, args=(dsn, words))
            switching.start()
            wait_until_blocked(dsn)
            append = threading.Thread(target=say, args=(store, Spoken(0), said("in between")))
            append.start()
            wait_until_blocked(dsn, 2)
        append.join()
        switching.join()
    assert now(dsn, words) == wanted(dsn, words)


@contextmanager
def written_by(dsn: str, writers: int, *projections: Projection) -> Iterator[list[int]]:
    """Processes' worth of writers append without a pause; each counts what was acknowledged."""
    acknowledged, stop = [0] * writers, threading.Event()

    def write(writer: int) -> None:
        with storing(dsn, projections) as store:
            while not stop.is_set():
                conversation = Spoken(100_000 * (writer + 1) + acknowledged[writer])
                more = MessageRated("m", "up"), said("words", "n")
                say(store, conversation, ConversationStarted(title="new"), said("words", "m"), *more)
                acknowledged[writer] += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        for thread in threads:
            thread.join()


READ = """
    SELECT count(*) FROM lines_g{number}
    WHERE EXISTS (SELECT 1 FROM checkpoints WHERE projection = 'words' AND generation = {number})"""


def test_under_writers_nothing_is_missed_and_no_read_fails(dsn: str) -> None:
    words = WordsAtOnce()
    built(dsn, words)
    talk(dsn, spoken(30), messages=40, projections=[words])
    reads, stop = list[bool](), threading.Event()

    def read() -> None:
        """As a reader does: the live build, and its rows; looked up again where it was switched away."""
        with connected(dsn) as connection:
            while not stop.is_set():
                generation = live(connection, words)
                assert generation is not None
                query = READ.format(number=generation.number)
                try:
                    row = connection.execute(query.encode()).fetchone()
                except errors.UndefinedTable:
                    continue
                reads.append(row is not None and (row[0] >= 30 * 40 or row[0] == 0))

    reader = threading.Thread(target=read)
    with written_by(dsn, 4, words) as acknowledged:
        reader.start()
        for _ in range(3):
            rebuilt = replay(dsn, words, limits=LoadLimits(chunk_events=200, segment_events=400))
            assert rebuilt.locked < 5
        stop.set()
        reader.join()
    assert all(reads)
    assert reads
    assert rows(dsn, "SELECT count(*) FROM events") == [(30 * 45 + 4 * sum(acknowledged),)]
    assert now(dsn, words) == wanted(dsn, words)


def test_tables_that_are_still_read_are_told_and_dropped_by_the_next_replay(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(dsn, spoken(1))
    replay(dsn, Words())
    monkeypatch.setattr(
        "projections.generations.drop", lambda connection, each: drop(connection, each, 1, "10ms")
    )
    with connected(dsn) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM lines_g1")
        assert [each.number for each in replay(dsn, Words()).left] == [1]
    replay(dsn, Words())
    assert tables_there(dsn) == {"lines_g3", "titles_g3", "counts_g3"}
