import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import pytest

from domain.events import ConversationStarted
from domain.recorded import Recorded
from projections.following import lane, parking
from projections.following.advance import follow_page, put_in_step
from projections.following.follower import Follower
from projections.following.wake import CHANNEL, Wake
from projections.generations import Generation
from projections.log import Log
from projections.projection import Projection
from projections.rows.apply import COPY_FROM
from tests.conftest import SHARDS
from tests.projections.rebuilding.replayed import (
    LOG,
    Other,
    Spoken,
    Words,
    WordsAtOnce,
    built,
    connected,
    connecting,
    contents,
    lanes,
    positions,
    refuse_without_a_word,
    say,
    spoken,
    talk,
    wanted,
)
from tests.service.store.appending import lane_held, rows, said, storing, wait_until_blocked

PATIENCE = 20.0


@contextmanager
def following(
    dsn: str, *projections: Projection, log: Log = LOG, wake: Callable[[], Wake] = Wake, page: int = 100
) -> Iterator[Queue[str]]:
    """A follower on a thread, and the news of its progress."""
    news = Queue[str]()
    running = Follower(connecting(dsn), log, projections, news.put, page, wake)
    running.start()
    try:
        yield news
    finally:
        running.stop()


def follow(dsn: str, *projections: Projection, page: int = 100) -> int:
    return Follower(connecting(dsn), LOG, projections, page=page).run_once()


def heads(dsn: str) -> dict[int, int]:
    with connected(dsn) as connection:
        return LOG.heads(connection)


def until_followed(dsn: str, news: "Queue[str]", projection: Projection) -> None:
    while contents(dsn, projection, 1) != wanted(dsn, projection):
        news.get(timeout=PATIENCE)


def test_what_is_behind_is_brought_up_to_the_log(dsn: str) -> None:
    words, other = Words(), Other()
    generation, _ = built(dsn, words, other)
    talk(dsn, spoken(10))
    assert follow(dsn, words, other) == 2 * sum(heads(dsn).values())
    assert contents(dsn, words, 1) == wanted(dsn, words)
    assert contents(dsn, other, 1) == wanted(dsn, other)
    assert positions(dsn, generation) == heads(dsn)
    assert follow(dsn, words, other) == 0


def test_pages_of_any_size_come_to_the_same(dsn: str) -> None:
    built(dsn, Words())
    talk(dsn, spoken(3), messages=2)
    follow(dsn, Words(), page=1)
    assert contents(dsn, Words(), 1) == wanted(dsn, Words())


def test_what_an_older_process_left_behind_is_put_in_step_again(dsn: str) -> None:
    words = WordsAtOnce()
    [generation] = built(dsn, words)
    talk(dsn, spoken(5))  # by a store that does not know the projection
    assert set(positions(dsn, generation).values()) != {None}
    follow(dsn, words)
    assert set(positions(dsn, generation).values()) == {None}
    with storing(dsn, [words]) as store:
        for conversation in spoken(5):
            say(store, conversation, said())
    assert contents(dsn, words, 1) == wanted(dsn, words)


def test_no_append_slips_between_the_last_page_and_being_in_step(dsn: str) -> None:
    words = WordsAtOnce()
    [generation] = built(dsn, words)
    talk(dsn, spoken(3))
    conversation = Spoken(0)

    def step() -> None:
        for shards in lanes(dsn):
            put_in_step(connection, LOG, words, generation, shards, 100, parking.apply_page)

    with connected(dsn) as connection, storing(dsn, [words]) as store:
        with lane_held(dsn, conversation.user_id):
            stepping = threading.Thread(target=step)
            stepping.start()
            wait_until_blocked(dsn)
            append = threading.Thread(target=say, args=(store, conversation, said("in between")))
            append.start()
            wait_until_blocked(dsn, 2)
        stepping.join()
        append.join()
    assert set(positions(dsn, generation).values()) == {None}
    assert contents(dsn, words, 1) == wanted(dsn, words)


def test_shards_that_another_process_has_in_hand_are_left_to_it(dsn: str) -> None:
    [generation] = built(dsn, Words())
    talk(dsn, spoken(10))
    ends = heads(dsn)
    behind = max(([shard for shard in shards if ends[shard]] for shards in lanes(dsn)), key=len)
    with connected(dsn) as connection, connected(dsn) as another, another.transaction():
        another.execute("SELECT 1 FROM checkpoints WHERE shard = %s FOR UPDATE", [behind[0]])
        step = follow_page(connection, LOG, Words(), generation, behind, 1000, parking.apply_page)
        assert step.contested
        assert step.events == sum(ends[shard] for shard in behind[1:])
    follow(dsn, Words())
    assert contents(dsn, Words(), 1) == wanted(dsn, Words())


def test_several_processes_follow_together_and_apply_nothing_twice(dsn: str) -> None:
    built(dsn, Words())
    talk(dsn, spoken(20))
    begin = threading.Barrier(4)
    applied = []

    def work() -> None:
        begin.wait()
        applied.append(follow(dsn, Words(), page=7))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(applied) == sum(heads(dsn).values())
    assert contents(dsn, Words(), 1) == wanted(dsn, Words())


@pytest.mark.parametrize("words", ["poison", "\0"])
@pytest.mark.parametrize("projection", [Words(), WordsAtOnce()])
def test_poison_parks_its_conversation_and_everything_else_moves_on(
    dsn: str, words: str, projection: Projection
) -> None:
    sick, well, *_ = conversations = spoken(6)
    [generation] = built(dsn, projection)
    talk(dsn, conversations, messages=1)
    with storing(dsn, [projection]) as store:
        at = say(store, sick, said(words, "bad"))
        say(store, sick, said("after it", "after"))
        say(store, well, said("fine", "good"))
        follow(dsn, projection)
        say(store, sick, said("later", "later"))
        say(store, well, said("fine", "better"))
    follow(dsn, projection)
    with connected(dsn) as connection:
        [parked] = parking.waiting(connection, range(SHARDS))
    assert (parked.conversation_id, parked.position) == (sick.id, at)
    said_by = rows(dsn, "SELECT message_id FROM lines_g1 WHERE conversation_id = %s ORDER BY 1", sick.id)
    assert said_by == [("last",), ("m0",)]
    said_by = rows(dsn, "SELECT message_id FROM lines_g1 WHERE conversation_id = %s ORDER BY 1", well.id)
    assert said_by == [("better",), ("good",), ("last",), ("m0",)]
    in_step = None if projection.with_append else heads(dsn)[sick.shard]
    assert positions(dsn, generation)[sick.shard] == in_step


def test_what_a_copy_says_nothing_of_is_found_row_by_row_and_parked(dsn: str) -> None:
    """As on a distributed PostgreSQL, where a COPY fails for whatever reason with the same words."""
    sick, well, *_ = conversations = spoken(6)
    built(dsn, Words())
    refuse_without_a_word(dsn)
    talk(dsn, conversations, messages=1)
    with storing(dsn) as store:
        at = say(store, sick, said("fine", "bad"))
        for number in range(COPY_FROM):
            say(store, well, said("fine", f"m{number}"))
    follow(dsn, Words(), page=10_000)
    with connected(dsn) as connection:
        [parked] = parking.waiting(connection, range(SHARDS))
    assert (parked.conversation_id, parked.position) == (sick.id, at)
    of_well = "SELECT count(*) FROM lines_g1 WHERE conversation_id = %s"
    assert rows(dsn, of_well, well.id) == [(COPY_FROM + 1,)]


def test_an_append_is_not_kept_waiting_by_a_copy_that_says_nothing(dsn: str) -> None:
    sick, well, *_ = conversations = spoken(6)
    words = WordsAtOnce()
    [generation] = built(dsn, words)
    refuse_without_a_word(dsn)
    talk(dsn, conversations, messages=1, projections=[words])
    with storing(dsn, [words]) as store:
        many = (said("fine", f"more {number}") for number in range(1, COPY_FROM))
        at = say(store, sick, *many, said("fine", "bad"))
        say(store, well, said("fine", "good"))
    assert positions(dsn, generation)[sick.shard] == at - COPY_FROM, "it is behind from before the append on"
    follow(dsn, words)
    with connected(dsn) as connection:
        [parked] = parking.waiting(connection, range(SHARDS))
    assert (parked.conversation_id, parked.position) == (sick.id, at)
    assert set(positions(dsn, generation).values()) == {None}
    of_well = "SELECT count(*) FROM lines_g1 WHERE conversation_id = %s"
    assert rows(dsn, of_well, well.id) == [(3,)]


def test_one_projection_that_cannot_follow_does_not_hold_up_the_others(dsn: str) -> None:
    built(dsn, Other(), Words())
    with connected(dsn) as connection:
        connection.execute("ALTER TABLE other_titles_g1 RENAME TO hidden")
    talk(dsn, spoken(3))
    with following(dsn, Other(), Words()) as news:
        until_followed(dsn, news, Words())
        with connected(dsn) as connection:
            assert parking.waiting(connection, range(SHARDS)) == []
            connection.execute("ALTER TABLE hidden RENAME TO other_titles_g1")
        until_followed(dsn, news, Other())


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nothing but a wake-up can have been what woke it."""
    monkeypatch.setattr(lane, "POLL", 1000.0)


class Sleepy(Wake):
    def __init__(self, asleep: threading.Semaphore) -> None:
        super().__init__()
        self._asleep = asleep

    def wait(self, *given: Any) -> None:
        self._asleep.release()
        super().wait(*given)


class Sleepers:
    """One for each lane; tells when somebody goes to sleep on one."""

    def __init__(self) -> None:
        self.asleep = threading.Semaphore(0)
        self._made = list[Sleepy]()

    def __call__(self) -> Sleepy:
        self._made.append(Sleepy(self.asleep))
        return self._made[-1]

    def set(self) -> None:
        for each in self._made:
            each.set()


@pytest.mark.usefixtures("no_poll")
def test_an_append_of_its_own_process_wakes_it(dsn: str) -> None:
    built(dsn, Words())
    wake = Sleepers()
    with following(dsn, Words(), wake=wake) as news, storing(dsn, committed=lambda _: wake.set()) as store:
        for number in range(3):
            assert wake.asleep.acquire(timeout=PATIENCE)
            say(store, Spoken(number), ConversationStarted(), said())
            assert news.get(timeout=PATIENCE) == "words"
    assert contents(dsn, Words(), 1) == wanted(dsn, Words())


@pytest.mark.usefixtures("no_poll")
def test_an_append_of_another_process_wakes_it(dsn: str) -> None:
    built(dsn, Words())
    wake = Sleepers()
    with following(dsn, Words(), wake=wake) as news:
        assert wake.asleep.acquire(timeout=PATIENCE)
        talk(dsn, spoken(1), messages=1)
        with connected(dsn) as connection:
            connection.execute(f"NOTIFY {CHANNEL}")
        assert news.get(timeout=PATIENCE) == "words"


def test_it_outlives_its_connection(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    built(dsn, Words())
    wake = Sleepers()
    with following(dsn, Words(), wake=wake) as news:
        assert wake.asleep.acquire(timeout=PATIENCE)
        rows(
            dsn,
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'test' AND pid <> pg_backend_pid()""",
        )
        talk(dsn, spoken(2))
        until_followed(dsn, news, Words())
    assert "following stopped, and goes on in" in caplog.text


def test_a_build_that_is_switched_away_is_left_alone(dsn: str) -> None:
    talk(dsn, spoken(2))
    gone = Generation("words", 7, "1", "live")
    with connected(dsn) as connection:
        step = follow_page(connection, LOG, Words(), gone, lanes(dsn)[0], 1000, parking.apply_page)
    assert step.events == 0


def test_other_versions_are_left_to_the_processes_that_know_them(dsn: str) -> None:
    old, new = built(dsn, Words(version="1"), Words(version="2"))
    talk(dsn, spoken(2))
    follow(dsn, Words(version="2"))
    assert set(positions(dsn, old).values()) == {0}
    assert positions(dsn, new) == heads(dsn)


def test_appends_that_are_as_fast_as_it_is_are_caught_up_with_in_the_end(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page finds as many new events as it applied: only under the lane's lock can that end."""
    monkeypatch.setattr(lane, "SMALL_REST", 4)
    words = WordsAtOnce()
    [generation] = built(dsn, words)
    talk(dsn, spoken(1), messages=20)
    conversation = Spoken(0)
    with storing(dsn, []) as store:

        class Growing(type(LOG)):  # type: ignore[misc]  # the log as it is, but for its pages
            def pages(self, *given: Any) -> list[Recorded]:
                page: list[Recorded] = super().pages(*given)
                if page and threading.current_thread() is main and not locked(dsn):
                    grown.append(say(store, conversation, *(said() for _ in page)))
                return page

        main, grown = threading.current_thread(), list[int]()
        Follower(connecting(dsn), Growing(), [words], page=10).run_once()
    assert grown
    assert positions(dsn, generation)[conversation.shard] is None
    assert contents(dsn, words, 1) == wanted(dsn, words)


def locked(dsn: str) -> bool:
    query = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'hansard.lanes'::regclass AND mode = 'RowShareLock'"
    )
    return rows(dsn, query) != [(0,)]
