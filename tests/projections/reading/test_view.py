"""A read never misses what was acknowledged before it, and says why when it cannot answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool

from domain.recorded import Recorded
from projections import history
from projections.errors import ConversationIsParked, ProjectionBehind, ProjectionNotBuilt
from projections.generations import create, drop, live, switch
from projections.history import END, History
from projections.projection import fold
from projections.reading.view import Headway, View, configure
from projections.rows.apply import apply
from service.store.connections import connect, conninfo
from service.store.log import DatabaseLog
from tests.cluster import TOPOLOGY
from tests.projections.given import SHARD, START, Log, conversation, user_said

ONE, TWO = conversation(1), conversation(2)
HISTORY = History()
OTHER_SHARD = SHARD + 1

EVENT = """
INSERT INTO events (
    shard, conversation_id, version, position, topic, state_digest, person_digest, recorded_at, digest)
VALUES (%s, %s, %s, %s, 'message_added', '', '', %s, '')"""

PARK = """
INSERT INTO parked
SELECT shard, projection, generation, %s, 1, 'ValueError: bad', now() FROM checkpoints WHERE shard = %s"""


class Database:
    """What writers, followers and replays do, one step at a time."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.log = Log()

    def append(self, *texts: str, projected: bool, conversation_id: Any = ONE) -> Sequence[Recorded]:
        known = len(self.log.records)
        for text in texts:
            self.log.add(conversation_id, user_said(text, text))
        events = self.log.records[known:]
        with self.connection.transaction():
            for r in events:
                self.connection.execute(EVENT, [SHARD, r.conversation_id, r.version, r.position, START])
            if projected:
                self.project(events)
        return events

    def project(self, events: Sequence[Recorded]) -> None:
        generation = live(self.connection, HISTORY)
        assert generation is not None
        apply(self.connection, fold(HISTORY, events), generation.number)

    def reached(self, position: int | None) -> None:
        self.connection.execute("UPDATE checkpoints SET position = %s WHERE shard = %s", [position, SHARD])

    def follow(self, events: Sequence[Recorded]) -> None:
        with self.connection.transaction():
            self.project(events)
            self.reached(events[-1].position)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    with connect(dsn) as connection:
        if live(connection, HISTORY) is None:
            create(connection, HISTORY, DatabaseLog(TOPOLOGY), "live")
        yield Database(connection)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[AsyncConnectionPool[AsyncConnection[Any]]]:
    async with AsyncConnectionPool(conninfo(dsn), configure=configure, min_size=1, max_size=2) as pool:
        yield pool


@pytest.fixture
def view(pool: Any, database: Database) -> View:
    return View(pool, HISTORY, patience=0.2)


async def read(view: View, conversation_id: Any = ONE, shard: int = SHARD) -> list[str]:
    return [message.message_id for message in await history.page(view, shard, conversation_id, 10)]


async def test_a_projection_in_step_answers_at_once(database: Database, view: View) -> None:
    database.append("m1", "m2", projected=True)
    assert await read(view) == ["m1", "m2"]
    assert await read(view, TWO) == []


async def test_a_projection_that_has_caught_up_answers_at_once(database: Database, view: View) -> None:
    database.append("m1", projected=True)
    database.reached(1)
    assert await read(view) == ["m1"]
    assert await read(view, TWO) == []


async def test_an_empty_shard_is_never_behind(database: Database, view: View) -> None:
    database.reached(0)
    assert await read(view) == []


async def test_a_projection_that_is_behind_says_by_how_much(database: Database, view: View) -> None:
    database.reached(0)
    database.append("m1", "m2", "m3", projected=False)
    with pytest.raises(ProjectionBehind) as behind:
        await read(view)
    assert behind.value.facts == {"projection": "history", "behind": 3}
    assert "3 events are missing" in str(behind.value)


async def test_a_shard_does_not_wait_for_another(database: Database, view: View) -> None:
    database.connection.execute("UPDATE checkpoints SET position = 0")
    database.append("m1", projected=False)
    assert await read(view, shard=OTHER_SHARD) == []


async def test_a_read_waits_until_the_follower_has_come_to_where_the_log_was(
    database: Database, pool: Any
) -> None:
    progress = Headway()
    view = View(pool, HISTORY, progress, patience=5)
    database.reached(0)
    first = database.append("m1", projected=False)
    reading = asyncio.create_task(read(view))
    await asyncio.sleep(0.05)
    assert not reading.done()
    database.append("m2", projected=False)
    database.follow(first)
    progress.moved()
    assert await reading == ["m1"]


async def test_progress_wakes_a_read_before_its_next_look(database: Database, pool: Any) -> None:
    progress = Headway()
    waiting = asyncio.create_task(progress.wait(60))
    await asyncio.sleep(0)
    progress.moved()
    started = monotonic()
    await waiting
    assert monotonic() - started < 1


async def test_a_read_finds_out_by_itself_that_the_follower_has_come(database: Database, pool: Any) -> None:
    view = View(pool, HISTORY, patience=5)
    database.reached(0)
    events = database.append("m1", projected=False)
    reading = asyncio.create_task(read(view))
    await asyncio.sleep(0.05)
    database.follow(events)
    assert await reading == ["m1"]


async def test_no_connection_is_held_while_a_read_waits(database: Database, pool: Any) -> None:
    view = View(pool, HISTORY, patience=5)
    database.reached(0)
    events = database.append("m1", projected=False)
    readings = [asyncio.create_task(read(view)) for _ in range(20)]
    await asyncio.sleep(0.05)
    async with pool.connection(timeout=1) as connection:
        await connection.execute("SELECT 1")
    database.follow(events)
    assert await asyncio.gather(*readings) == [["m1"]] * 20


async def test_a_parked_conversation_says_why_and_the_others_are_read(database: Database, view: View) -> None:
    database.append("m1", projected=True, conversation_id=TWO)
    database.connection.execute(PARK, [ONE, SHARD])
    with pytest.raises(ConversationIsParked, match="ValueError: bad"):
        await read(view)
    assert await read(view, TWO) == ["m1"]
    assert [each.message_id for each in await history.page_of_user(view, SHARD, "ada", 10)] == ["m1"]


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_read_goes_over_to_the_new_generation(database: Database, view: View, dropped: bool) -> None:
    database.append("m1", projected=True)
    assert await read(view) == ["m1"]
    connection = database.connection
    newer = create(connection, HISTORY, DatabaseLog(TOPOLOGY), "building")
    with connection.transaction():
        apply(connection, fold(HISTORY, database.log.records), newer.number)
        older = switch(connection, newer)
        database.reached(None)
    assert older is not None
    if dropped:
        assert drop(connection, older)
    database.append("m2", projected=True)
    assert await read(view) == ["m1", "m2"]


async def test_a_projection_of_which_no_build_is_live_is_not_built(database: Database, pool: Any) -> None:
    with pytest.raises(ProjectionNotBuilt, match="hansard replay"):
        await read(View(pool, History({"fortune": "lucky"})))


async def test_a_projection_that_is_taken_away_is_not_built(database: Database, view: View) -> None:
    assert await read(view) == []
    generation = live(database.connection, HISTORY)
    assert generation is not None
    assert drop(database.connection, generation)
    with pytest.raises(ProjectionNotBuilt):
        await read(view)


async def test_a_shard_that_a_build_does_not_have_is_not_built(database: Database, view: View) -> None:
    with pytest.raises(ProjectionNotBuilt):
        await read(view, shard=99)


async def test_what_is_wrong_with_a_query_is_not_taken_for_a_switch(database: Database, view: View) -> None:
    with pytest.raises(psycopg.Error):
        await view.rows(history.CONVERSATION_OLDER, SHARD, ONE, before=END, limit=-1)


async def test_a_read_during_appends_and_marks_never_misses_an_acknowledged_one(
    dsn: str, database: Database, pool: Any
) -> None:
    """The projection falls behind, is put back in step and goes on, over and over, while others read."""
    view = View(pool, HISTORY, patience=10)
    acknowledged: list[str] = []

    def write() -> None:
        behind: list[Recorded] = []
        for n in range(300):
            if behind:
                behind += database.append(str(n), projected=False)
            else:
                with database.connection.transaction():
                    database.append(str(n), projected=n % 7 != 0)
                    if n % 7 == 0:
                        behind = [database.log.records[-1]]
                        database.reached(behind[0].position - 1)
            acknowledged.append(str(n))
            if len(behind) == 4:
                with database.connection.transaction():
                    database.project(behind)
                    database.reached(None)
                behind = []
        if behind:
            database.follow(behind)

    writing = asyncio.create_task(asyncio.to_thread(write))
    reads = 0
    while not writing.done():
        wanted = acknowledged[-1:]
        found = await history.page(view, SHARD, ONE, 1000)
        assert {message.message_id for message in found} >= set(wanted)
        assert [message.position for message in found] == list(range(1, len(found) + 1))
        reads += 1
    await writing
    assert reads > 10
