"""Retention and what was cut off go on in every lane that can be reached, and later in the others."""

from service.hansard import Hansard, running
from service.privacy import receipts
from service.privacy.receipts import new_receipt
from service.privacy.retention import retain
from service.privacy.run import finish_under_way
from service.privacy.wishes import Wish
from service.settings.settings import Settings
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.outage import is_down, lie_apart, one_lane_down
from tests.service.privacy.ageing import ERASED, KEPT, ending_of, idle, now
from tests.service.privacy.test_retention import EVERYTHING_IS_ERASED

USERS = [f"user {number}" for number in range(100)]
CUT_OFF, WELL = (
    next(user for user in USERS if is_down(shard_of(user, SHARDS)) is down) for down in (True, False)
)


async def test_what_is_due_is_done_where_it_can_be(dsn: str) -> None:
    lie_apart(dsn)
    async with running(Settings(), dsn) as hansard:
        theirs, ours = [await idle(hansard, 31, user_id=user) for user in (CUT_OFF, WELL)]
        with one_lane_down(dsn):
            report = await retain(hansard, EVERYTHING_IS_ERASED, now())
            assert report.unread == sum(map(is_down, range(SHARDS)))
            assert not report.is_whole
            assert (ending_of(dsn, theirs), ending_of(dsn, ours)) == (KEPT, ERASED)
        report = await retain(hansard, EVERYTHING_IS_ERASED, now())
        assert report.is_whole
        assert ending_of(dsn, theirs) == ERASED


async def begun(hansard: Hansard, user: str) -> None:
    """As if its process had been cut off when it had written the receipt."""
    shard = shard_of(user, SHARDS)
    async with hansard.pool.connection() as connection:
        await receipts.add(connection, new_receipt(shard, Wish("user", user_id=user), "ann", "no", None))


async def test_what_was_cut_off_is_finished_where_it_can_be(dsn: str) -> None:
    lie_apart(dsn)
    async with running(Settings(), dsn) as hansard:
        for user in (CUT_OFF, WELL):
            await begun(hansard, user)
        with one_lane_down(dsn):
            finished = await finish_under_way(hansard)
            assert [each.shard for each in finished] == [shard_of(WELL, SHARDS)]
        finished = await finish_under_way(hansard)
        assert [each.shard for each in finished] == [shard_of(CUT_OFF, SHARDS)]
