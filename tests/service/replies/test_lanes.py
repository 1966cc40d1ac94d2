"""A lane that cannot be reached holds up its own replies, and nobody else's."""

import asyncio
from uuid import UUID

import psycopg
import pytest

from service.replies.drafts import Draft, Drafts
from service.store.ids import new_id
from service.store.repository import Caller
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.outage import is_down, lie_apart, one_lane_down
from tests.service.replies.conversing import conversing, heard_until, outcome
from tests.service.store.appending import rows

USERS = [f"user {number}" for number in range(100)]
CUT_OFF, WELL = (
    Caller(next(user for user in USERS if is_down(shard_of(user, SHARDS)) is down), "who", "request-1")
    for down in (True, False)
)


def drafts(dsn: str) -> set[UUID]:
    """Of which conversations there are, in any lane."""
    return {found for (found,) in rows(dsn, "SELECT conversation_id FROM drafts")}


async def test_replies_of_the_others_are_kept_and_go_on(dsn: str) -> None:
    lie_apart(dsn)
    async with conversing(dsn) as one:
        go = asyncio.Event()
        replies = {}
        for caller in (CUT_OFF, WELL):
            one.responder.answers("Once ", go, "more.")
            replies[caller] = await one.ask("Well?", caller=caller)
            await heard_until(replies[caller], "Once ")
        with one_lane_down(dsn):
            with pytest.raises(psycopg.errors.ConnectionFailure):
                await one.hansard.replies._keep()
            go.set()
            assert (await outcome(replies[WELL])).status == "complete"
            await one.said("And now?", replies[WELL].conversation_id, caller=WELL)
            assert not replies[CUT_OFF].ended
        assert (await outcome(replies[CUT_OFF])).status == "complete"


async def test_a_draft_that_cannot_go_yet_keeps_no_others_from_speaking(dsn: str) -> None:
    lie_apart(dsn)
    async with conversing(dsn) as one:
        hansard = one.hansard
        lost = Draft(shard_of(CUT_OFF.user_id, SHARDS), new_id(), "r", CUT_OFF.user_id, "q", False)
        await Drafts(hansard.pool, new_id()).claim(lost)
        hansard.replies._let_go_of[lost.reply_id] = lost
        with one_lane_down(dsn):
            await one.said("Well?", caller=WELL)
        async with asyncio.timeout(30):
            while drafts(dsn):  # noqa: ASYNC110 - the database sets no event
                await asyncio.sleep(0.05)


async def test_orphans_of_the_others_are_ended(dsn: str) -> None:
    lie_apart(dsn)
    async with conversing(dsn) as one:
        gone = Drafts(one.hansard.pool, new_id(), lease=-1)
        theirs, ours = (
            Draft(shard_of(each.user_id, SHARDS), new_id(), "r", each.user_id, "q", False)
            for each in (CUT_OFF, WELL)
        )
        for keeping in one.hansard.replies._keeping:
            await keeping.close()
        await gone.claim(theirs)
        await gone.claim(ours)
        with one_lane_down(dsn):
            with pytest.raises(psycopg.errors.ConnectionFailure):
                await one.hansard.replies._end_orphans()
            assert drafts(dsn) == {theirs.conversation_id}
        await one.hansard.replies._end_orphans()
        assert not drafts(dsn)
