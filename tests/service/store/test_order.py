"""What a reader sees of the log while writers race: every event once, in order, and none is passed by."""

from collections.abc import Iterator
from multiprocessing.connection import Connection
from uuid import uuid4

import pytest

from domain.recorded import Recorded
from projections import history, search
from projections.history import History
from service import commands
from service.hansard import running
from service.settings.settings import Settings
from service.store.connections import connect
from service.store.log import DatabaseLog
from service.store.repository import Caller, Repository
from tests.service.store.appending import USER, asked, said, started, storing, wait_until_blocked
from tests.service.store.processes import another_process
from tests.service.store.test_writer import submit

WRITES = 300


async def many_conversations(repository: Repository, told: Connection, user_id: str) -> None:
    told.send("ready")
    told.recv()
    for _ in range(WRITES // 3):
        await commands.start_conversation(
            repository, Caller(user_id, user_id), first_messages=[said(), said()]
        )


def follow(dsn: str, shard: int, last: int) -> Iterator[Recorded]:
    """As any reader of the log does: what comes after the last position it has seen."""
    log, seen = DatabaseLog(), 0
    with connect(dsn) as connection:
        while seen < last:
            for recorded in log.page(connection, shard, seen, 7):
                yield recorded
                seen = recorded.position


def test_a_reader_that_follows_two_racing_processes_sees_every_event_once_and_in_order(dsn: str) -> None:
    with storing(dsn) as store:
        shard = store.shard_of(USER)
    with (
        another_process(many_conversations, dsn, USER) as one,
        another_process(many_conversations, dsn, USER) as other,
    ):
        for each in (one, other):
            assert each.recv() == "ready"
        for each in (one, other):
            each.send("go")
        seen = list(follow(dsn, shard, 2 * WRITES))
    assert [recorded.position for recorded in seen] == list(range(1, 2 * WRITES + 1))
    assert len({(recorded.conversation_id, recorded.version) for recorded in seen}) == 2 * WRITES


def test_what_is_held_at_its_commit_lets_nothing_past_it_be_seen(dsn: str) -> None:
    """One writer has its events written and waits, before it commits, for a lock on its projection's table.
    If the next one could commit meanwhile, a reader would pass the first one's events and never see them."""
    log = DatabaseLog()
    with storing(dsn, [History()]) as held, storing(dsn) as other:
        shard = held.shard_of(USER)
        held.append_blocking(asked(held, uuid4(), started(said()), 0))
        with connect(dsn) as connection:
            with connection.transaction():
                connection.execute("LOCK TABLE history_g1 IN ACCESS EXCLUSIVE MODE")
                first = submit(held, asked(held, uuid4(), started(said()), 0))
                wait_until_blocked(dsn, 1)
                second = submit(other, asked(other, uuid4(), started(), 0))
                wait_until_blocked(dsn, 2)
                with connect(dsn) as reader:
                    assert [each.position for each in log.page(reader, shard, 0, 100)] == [1, 2]
                assert not first.done()
                assert not second.done()
            assert (first.result().position, second.result().position) == (4, 5)
            assert [each.position for each in log.page(connection, shard, 0, 100)] == [1, 2, 3, 4, 5]


def test_pages_of_few_bytes_leave_out_no_event_also_where_some_are_emptied(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.log.PAGE_BYTES", 1_000)
    log, pages = DatabaseLog(), list[list[int]]()
    with storing(dsn) as store:
        shard = store.shard_of(USER)
        store.append_blocking(asked(store, uuid4(), started(*(said("x" * 400) for _ in range(9)))))
    with connect(dsn) as connection:
        connection.execute("UPDATE events SET state = NULL WHERE position IN (1, 5, 6, 9)")
        while page := list(log.page(connection, shard, sum(map(len, pages)), 100)):
            pages.append([each.position for each in page])
    assert [position for page in pages for position in page] == list(range(1, 11))
    assert max(map(len, pages)) < 10


async def messages_on_demand(repository: Repository, told: Connection, user_id: str) -> None:
    """Adds a message whenever it is asked to, and tells its id once it is acknowledged."""
    caller = Caller(user_id, user_id)
    changed = await commands.start_conversation(repository, caller)
    assert changed.conversation
    told.send(changed.conversation.id)
    while told.recv() == "more":
        message = said("a needle in a haystack")
        await commands.add_messages(repository, caller, changed.conversation.id, [message], ids_are_new=True)
        told.send(message.message_id)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("projection", ["history", "search"])
async def test_a_read_after_a_write_that_another_process_acknowledged_never_misses_it(
    dsn: str, projection: str, older: bool
) -> None:
    """Search follows behind. History is written with the append, unless the other process is older and does
    not know it: then it is followed too."""
    async with running(Settings(), dsn) as hansard:
        shard = hansard.store.shard_of(USER)
        with another_process(messages_on_demand, dsn, USER, older) as other:
            conversation = other.recv()
            for _ in range(100):
                other.send("more")
                message_id = other.recv()
                if projection == "history":
                    page = await history.page(hansard.views["history"], shard, conversation, 1)
                    assert [message.message_id for message in page] == [message_id]
                else:
                    newest = await search.find(
                        hansard.views["search"], "simple", shard, USER, "needle", 1, "newest"
                    )
                    assert [found.message_id for found in newest] == [message_id]
            other.send("enough")
