"""What an append is answered, and what is in the log afterwards."""

from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.errors import CommandReused, VersionConflict
from domain.recorded import Recorded
from service.store.append import Append, Appended, CommandKey
from service.store.connections import Database
from service.store.errors import StoreIsBusy, StoreIsClosed
from service.store.store import Store
from tests.proxy import Cut, proxied
from tests.service.store.appending import (
    USER,
    asked,
    lane_held,
    rows,
    said,
    started,
    storing,
    wait_until_blocked,
)

EVENTS = "SELECT conversation_id, version, position, topic FROM events WHERE shard = %s ORDER BY position"


def submit(store: Store, append: Append) -> "Future[Appended]":
    waiting: Future[Appended] = Future()
    append.waiting = waiting
    store.submit(append)
    return waiting


def test_versions_and_positions_have_no_gap_and_every_append_says_where_it_is(dsn: str) -> None:
    one, other = uuid4(), uuid4()
    with storing(dsn) as store:
        assert store.append_blocking(asked(store, one, started(said()), 0)).version == 2
        assert store.append_blocking(asked(store, other, started(), 0)).position == 3
        last = store.append_blocking(asked(store, one, [said(), said()], 2))
        assert (last.version, last.position, last.size) == (4, 5, 2)
    found = rows(dsn, EVENTS, store.shard_of(USER))
    assert [row[2] for row in found] == [1, 2, 3, 4, 5]
    assert [row[1] for row in found if row[0] == one] == [1, 2, 3, 4]


def test_in_one_batch_each_append_gets_its_own_answer(dsn: str) -> None:
    """A conflict, a repeated command, a reused command id and good appends, of which one repeats another."""
    one, other, third = uuid4(), uuid4(), uuid4()
    command, twin = CommandKey(uuid4(), b"body"), CommandKey(uuid4(), b"twin")
    batches: list[list[int]] = []

    def committed(events: object) -> None:
        assert isinstance(events, list)
        batches.append([recorded.position for recorded in events])

    with storing(dsn, committed=committed) as store:
        first = store.append_blocking(asked(store, one, started(said()), 0, command))
        with lane_held(dsn):
            plug = submit(store, asked(store, other, started(), 0))
            wait_until_blocked(dsn)
            conflict = submit(store, asked(store, one, [said()], 1))
            repeated = submit(store, asked(store, uuid4(), started(said()), 0, command))
            reused = submit(store, asked(store, one, [said()], 2, CommandKey(command.id, b"another body")))
            good = submit(store, asked(store, one, [said()], 2))
            new = submit(store, asked(store, third, started(), 0, twin))
            again = submit(store, asked(store, uuid4(), started(), 0, twin))
        assert plug.result().position == 3
        with pytest.raises(VersionConflict) as told:
            conflict.result()
        assert told.value.facts["current_version"] == 2
        assert repeated.result() == Appended(one, first.version, first.position, 2, repeated=True)
        with pytest.raises(CommandReused):
            reused.result()
        assert good.result() == Appended(one, 3, 4, 1)
        assert new.result() == Appended(third, 1, 5, 1)
        assert again.result() == Appended(third, 1, 5, 1, repeated=True)
    assert batches == [[1, 2], [3], [4, 5]], "the six that came while the lane was held were one batch"


def test_an_append_that_was_decided_on_one_that_failed_is_not_stored(dsn: str) -> None:
    conversation = uuid4()
    with storing(dsn) as store:
        store.append_blocking(asked(store, conversation, started(), 0))
        with lane_held(dsn):
            lost = asked(store, conversation, [said()], 7)
            void = asked(store, conversation, [said()], 1)
            void.based_on = lost
            answers = [submit(store, lost), submit(store, void)]
        for answer in answers:
            with pytest.raises(VersionConflict):
                answer.result()
    assert len(rows(dsn, EVENTS, store.shard_of(USER))) == 1


def test_a_command_is_answered_the_same_by_another_process_and_after_a_restart(dsn: str) -> None:
    command, conversation = CommandKey(uuid4(), b"body"), uuid4()
    with storing(dsn) as here, storing(dsn) as there:
        first = here.append_blocking(asked(here, conversation, started(said()), 0, command))
        second = there.append_blocking(asked(there, uuid4(), started(said()), 0, command))
    with storing(dsn) as later:
        third = later.append_blocking(asked(later, uuid4(), started(said()), 0, command))
    assert second == third == Appended(conversation, first.version, first.position, 2, repeated=True)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_cut_at_commit_leaves_the_append_there_once_and_reported_as_appended(
    dsn: str, cut: Cut
) -> None:
    conversation = uuid4()
    with proxied(dsn) as proxy, storing(proxy.dsn) as store:
        store.append_blocking(asked(store, conversation, started(), 0))
        proxy.cut = cut
        answer = store.append_blocking(asked(store, conversation, [said(), said()], 1))
        assert proxy.cuts == 1
        assert (answer.version, answer.position, answer.repeated) == (3, 3, False)
        assert store.append_blocking(asked(store, conversation, [said()], 3)).version == 4
    assert [row[1] for row in rows(dsn, EVENTS, store.shard_of(USER))] == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_whole_batch_cut_at_commit_is_there_once(dsn: str, cut: Cut) -> None:
    conversations = [uuid4() for _ in range(20)]
    with proxied(dsn) as proxy, storing(proxy.dsn) as store:
        with lane_held(dsn):
            plug = submit(store, asked(store, uuid4(), started(), 0))
            wait_until_blocked(dsn)
            answers = [submit(store, asked(store, each, started(said()), 0)) for each in conversations]
            proxy.cut = None
        plug.result()
        proxy.cut = cut
        more = [submit(store, asked(store, each, [said()], 2)) for each in conversations]
        assert [answer.result().version for answer in answers] == [2] * 20
        assert [answer.result().version for answer in more] == [3] * 20
        assert proxy.cuts == 1
    found = rows(dsn, EVENTS, store.shard_of(USER))
    assert [row[2] for row in found] == list(range(1, 62))


def test_two_processes_take_turns_without_losing_a_place(dsn: str) -> None:
    """Two stores on one database are two processes to it: nothing but the database is shared."""
    conversations = [uuid4() for _ in range(4)]

    def append(store: Store, conversation: UUID) -> None:
        for _ in range(25):
            store.append_blocking(asked(store, conversation, [said()]))

    with storing(dsn) as here, storing(dsn) as there, ThreadPoolExecutor(8) as threads:
        for each in conversations:
            here.append_blocking(asked(here, each, started(), 0))
        done = [threads.submit(append, s, c) for s in (here, there) for c in conversations]
        for each_done in done:
            each_done.result()
    found = rows(dsn, EVENTS, here.shard_of(USER))
    assert [row[2] for row in found] == list(range(1, 205))
    for each in conversations:
        assert [row[1] for row in found if row[0] == each] == list(range(1, 52))


def test_a_value_that_postgresql_refuses_fails_alone(dsn: str) -> None:
    """The domain refuses such a name long before; if it ever came through, its neighbours must not suffer."""
    good = uuid4()
    with storing(dsn) as store, lane_held(dsn):
        plug = submit(store, asked(store, uuid4(), started(), 0))
        wait_until_blocked(dsn)
        poisoned = submit(store, asked(store, uuid4(), started(said(message_id="a\0b")), 0))
        neighbour = submit(store, asked(store, good, started(), 0))
    plug.result()
    with pytest.raises(psycopg.DataError):
        poisoned.result()
    assert neighbour.result() == Appended(good, 1, 2, 1)


def test_a_full_queue_refuses_and_a_closed_store_refuses_and_both_say_so(dsn: str) -> None:
    with storing(dsn, queue_limit=2) as store:
        with lane_held(dsn):
            taken = [submit(store, asked(store, uuid4(), started(), 0))]
            wait_until_blocked(dsn)
            taken += [submit(store, asked(store, uuid4(), started(), 0)) for _ in range(2)]
            with pytest.raises(StoreIsBusy, match="2 appends are waiting already; nothing was stored"):
                submit(store, asked(store, uuid4(), started(), 0))
        assert [each.result().position for each in taken] == [1, 2, 3]
    with pytest.raises(StoreIsClosed, match="nothing was stored"):
        submit(store, asked(store, uuid4(), started(), 0))


def test_what_was_taken_before_the_store_is_closed_is_stored(dsn: str) -> None:
    with storing(dsn) as store, ThreadPoolExecutor(1) as threads:
        with lane_held(dsn):
            taken = [submit(store, asked(store, uuid4(), started(), 0)) for _ in range(5)]
            closing = threads.submit(store.close)
            wait_until_blocked(dsn)
            assert not closing.done()
        closing.result()
    assert sorted(each.result().position for each in taken) == [1, 2, 3, 4, 5]


def test_the_running_service_can_add_to_the_log_and_cannot_change_it(dsn: str) -> None:
    with storing(dsn) as store:
        store.append_blocking(asked(store, uuid4(), started(), 0))
    with Database.open(dsn).connect() as connection:
        for change in (
            "UPDATE events SET topic = 'x'",
            "DELETE FROM events",
            "TRUNCATE events",
            "UPDATE lanes SET shard = shard",
            "DROP TABLE events",
            "ALTER TABLE events ADD COLUMN x int",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change.encode())
    assert len(rows(dsn, EVENTS, store.shard_of(USER))) == 1


def test_what_was_committed_is_told_with_its_places(dsn: str) -> None:
    told: list[Recorded] = []
    conversation, message = uuid4(), said()
    with storing(dsn, committed=told.extend) as store:
        store.append_blocking(asked(store, conversation, started(message), 0))
    assert [(each.version, each.position) for each in told] == [(1, 1), (2, 2)]
    assert told[1].event == message


def test_in_one_batch_the_same_ids_in_two_shards_have_nothing_to_do_with_each_other(dsn: str) -> None:
    conversation, command = uuid4(), CommandKey(uuid4(), b"body")
    with storing(dsn) as store:
        assert store.shard_of("ann") != store.shard_of("bob")
        with lane_held(dsn):
            plug = submit(store, asked(store, uuid4(), started(), 0))
            wait_until_blocked(dsn)
            anns = submit(store, asked(store, conversation, started(), 0, command))
            bobs = submit(store, asked(store, conversation, started(said()), 0, command, "bob"))
        plug.result()
        assert (anns.result().version, anns.result().repeated) == (1, False)
        assert (bobs.result().version, bobs.result().repeated) == (2, False)


READ = """
    SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
    WHERE relname = 'events' AND NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'hansard writer')"""
"""Of all indexes; nothing while a writer is still connected, who says what he has read when he leaves."""


@pytest.mark.parametrize("remembered", [False, True])
def test_an_append_does_not_read_more_as_its_shard_grows(dsn: str, remembered: bool) -> None:
    """In a new database, where a plan that is kept was made when the log was small."""
    known = uuid4()
    with storing(dsn) as store:
        store.append_blocking(asked(store, known, started()))
        for _ in range(300):
            append = asked(store, known, [said()]) if remembered else asked(store, uuid4(), started(said()))
            store.append_blocking(append)
    while (read := rows(dsn, READ)[0][0]) is None:
        pass
    assert read < 3_000
