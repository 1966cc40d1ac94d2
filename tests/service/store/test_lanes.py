"""A lane that cannot be reached stops its own users, and nobody else."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import psycopg
import pytest

from projections import history
from service import commands
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.connections import Database, connect
from service.store.errors import ShardOutOfReach
from service.store.incarnation import current
from service.store.layout import lanes
from service.store.repository import Caller
from service.store.shrinking import RestoreWatch, SeenHeads
from service.store.store import shard_of
from service.store.whereabouts import Whose, whereabouts
from tests.conftest import SHARDS
from tests.outage import is_down, lie_apart, one_lane_down, one_lane_silent
from tests.service.store.appending import said
from tests.service.store.test_tail import hear

PATIENCE = 20.0
SEEN_NOTHING = "could not be seen"
USERS = [f"user {number}" for number in range(100)]
CUT_OFF = next(user for user in USERS if is_down(shard_of(user, SHARDS)))
WELL = next(user for user in USERS if not is_down(shard_of(user, SHARDS)))
OF_CUT_OFF, OF_WELL = shard_of(CUT_OFF, SHARDS), shard_of(WELL, SHARDS)


@asynccontextmanager
async def serving(dsn: str, number: int = 1) -> AsyncIterator[list[Hansard]]:
    lie_apart(dsn)
    found: list[Hansard] = []
    settings = Settings(patience=2.0)
    async with running(settings, dsn) as one, running(settings, dsn) as other:
        found = [one, other]
        yield found[:number]


async def say(hansard: Hansard, user: str) -> UUID:
    caller = Caller(user, user)
    changed = await commands.start_conversation(hansard.repository, caller, first_messages=[said()])
    assert changed.appended
    return changed.appended.conversation_id


async def read(hansard: Hansard, user: str) -> int:
    page = await history.page_of_user(hansard.views["history"], shard_of(user, SHARDS), user, 100)
    return len(page)


async def test_appends_to_the_others_go_on(dsn: str) -> None:
    async with serving(dsn) as [hansard]:
        for user in (CUT_OFF, WELL):
            await say(hansard, user)
        with one_lane_down(dsn):
            cut_off = asyncio.create_task(say(hansard, CUT_OFF))
            for _ in range(5):
                await say(hansard, WELL)
            with pytest.raises(ShardOutOfReach):
                await cut_off
        await say(hansard, CUT_OFF)
        assert (await read(hansard, WELL), await read(hansard, CUT_OFF)) == (6, 2)


async def test_reads_of_the_others_are_answered_over_the_same_connections(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(dsn) as [hansard]:
        for user in (CUT_OFF, WELL):
            await say(hansard, user)
        with one_lane_down(dsn):
            asked = [read(hansard, user) for user in [WELL, CUT_OFF] * 50]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert found[::2] == [1] * 50
            assert {type(each) for each in found[1::2]} == {psycopg.errors.ConnectionFailure}
        assert await read(hansard, CUT_OFF) == 1
    assert "a connection for reading was lost" not in caplog.text


async def test_listeners_of_the_others_are_told_on(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(dsn, 2) as [here, there]:
        heard = {
            user: here.changes.after(shard_of(user, SHARDS), user, 0, PATIENCE) for user in (CUT_OFF, WELL)
        }
        for user, changes in heard.items():
            await say(there, user)
            await hear(changes, 2)
        with one_lane_down(dsn):
            while not any(SEEN_NOTHING in each for each in caplog.messages):
                await say(there, WELL)
                await hear(heard[WELL], 2)
            await say(there, WELL)
            await hear(heard[WELL], 2)
        await say(there, CUT_OFF)
        await hear(heard[CUT_OFF], 2)
        told = [each for each in caplog.records if SEEN_NOTHING in each.getMessage()]
        assert [each.levelno for each in told if each.levelno >= logging.WARNING] == [logging.WARNING]


async def test_a_restored_backup_is_noticed_in_the_others(dsn: str) -> None:
    async with serving(dsn) as [hansard]:
        await say(hansard, WELL)
        seen = SeenHeads()
        given = (hansard.database, hansard.store.incarnation, hansard.store.lanes, seen)
        watch = RestoreWatch(*given)
        assert not watch._is_restored()
        with one_lane_down(dsn):
            assert not watch._is_restored()
            with connect(dsn) as owner:
                owner.execute("DELETE FROM events")
            assert watch._is_restored()
            assert watch.has_begun
        watch._give_up()


async def test_shards_that_are_laid_out_anew_are_noticed(dsn: str) -> None:
    database = Database.open(dsn)
    with connect(dsn) as owner, database.connect() as connection:
        watch = RestoreWatch(database, current(connection), lanes(connection), SeenHeads())
        assert not watch._is_restored()
        owner.execute("UPDATE layout SET lane = shard % 2")
        assert watch._is_restored()
        assert "laid out anew" in watch.why
        watch._give_up()


async def test_a_conversation_is_found_wherever_it_lies(dsn: str) -> None:
    async with serving(dsn) as [hansard]:
        theirs, ours = await say(hansard, CUT_OFF), await say(hansard, WELL)
        async with hansard.pool.connection() as connection:
            assert (await whereabouts(connection, hansard.reach, theirs)) == Whose(OF_CUT_OFF, CUT_OFF)
            assert await whereabouts(connection, hansard.reach, uuid4()) is None
            with one_lane_down(dsn):
                assert await whereabouts(connection, hansard.reach, ours) == Whose(OF_WELL, WELL)
                with pytest.raises(ShardOutOfReach):
                    await whereabouts(connection, hansard.reach, theirs)


async def test_nobody_waits_for_a_lane_that_is_silent(dsn: str) -> None:
    """It keeps whoever asks it waiting: so it is not asked, and tells nobody else's reads to wait."""
    async with serving(dsn) as [hansard]:
        for user in (CUT_OFF, WELL):
            await say(hansard, user)
        with one_lane_silent(dsn):
            asked = [asyncio.create_task(read(hansard, CUT_OFF)) for _ in range(20)]
            assert await asyncio.gather(*(read(hansard, WELL) for _ in range(20))) == [1] * 20
            assert not any(each.done() for each in asked)
            while True:
                try:
                    hansard.reach.expect(OF_CUT_OFF)
                except ShardOutOfReach:
                    break
                await asyncio.sleep(0.01)
            hansard.reach.expect(OF_WELL)
            await asyncio.gather(*asked, return_exceptions=True)
        while hansard.follower.out_of_reach(PATIENCE):  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.01)
        assert await read(hansard, CUT_OFF) == 1
