"""How replies end that do not simply end: stopped, failed, cut off, orphaned; once each."""

import asyncio
import logging

import pytest

from domain import conversation as decisions
from domain.errors import ConversationIsErased
from domain.events import MessageAdded, ReplyFailed
from projections import history
from projections.history import HistoryMessage
from service import commands
from service.replies.drafts import Draft, Drafts, DraftUpdate
from service.replies.errors import ReplyLost, ReplyStopped
from service.replies.reply import Reply
from service.responder import ResponderFailed, ResponderTimedOut
from service.store.errors import StoreIsClosed
from service.store.ids import new_id
from tests.conftest import SHARDS
from tests.service.replies.conversing import (
    ANN,
    Conversing,
    conversing,
    heard,
    heard_until,
    outcome,
    processes,
)


def text(message: HistoryMessage) -> str:
    return history.decode_text(message.content)


async def last(one: Conversing, reply: Reply) -> object:
    return (await one.events(reply.conversation_id))[-1]


async def test_a_reply_that_is_stopped_is_stored_as_far_as_it_came(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("Well?")
        await heard_until(reply, "Once ")
        assert await one.hansard.replies.stop(reply.shard, reply.conversation_id) is reply
        stored = await outcome(reply)
        assert (text(stored), stored.status) == ("Once ", "interrupted")
        assert await one.hansard.replies.stop(reply.shard, reply.conversation_id) is None


async def test_one_that_is_stopped_before_it_began_is_recorded_as_none(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers(asyncio.Event())
        reply = await one.ask("Well?")
        await one.hansard.replies.stop(reply.shard, reply.conversation_id)
        with pytest.raises(ReplyStopped):
            await outcome(reply)
        assert await last(one, reply) == ReplyFailed(in_reply_to=reply.question_id, reason="stopped")
        await one.said("And now?", reply.conversation_id)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ResponderFailed(why="it answered 500"), "responder-failed: it answered 500"),
        (ResponderTimedOut(why="it was silent"), "responder-timeout: it was silent"),
        (ZeroDivisionError(), "responder-failed: it met an error of its own"),
    ],
)
async def test_a_failure_is_recorded_and_told_and_the_question_stays(
    dsn: str, failure: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with conversing(dsn) as one:
        one.responder.answers(failure)
        reply = await one.ask("Well?")
        with pytest.raises(ResponderFailed) as told:
            await outcome(reply)
        assert isinstance(told.value, ResponderTimedOut) == isinstance(failure, ResponderTimedOut)
        assert told.value.facts["session_id"] == str(reply.conversation_id)
        assert await last(one, reply) == ReplyFailed(in_reply_to=reply.question_id, reason=reason)
        assert await one.messages(reply.conversation_id) == [("user", "Well?", "complete")]
        await one.said("And now?", reply.conversation_id)
        with pytest.raises(type(told.value)):
            await outcome(await one.find(reply))


async def test_half_an_answer_is_kept_and_the_failure_beside_it(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("Once ", ResponderFailed(why="it broke off"))
        reply = await one.ask("Well?")
        with pytest.raises(ResponderFailed, match="it broke off"):
            await outcome(reply)
        added, failed = (await one.events(reply.conversation_id))[2:]
        assert isinstance(added, MessageAdded)
        assert (added.content, added.status, added.in_reply_to) == ("Once ", "interrupted", reply.question_id)
        assert failed == ReplyFailed(in_reply_to=reply.question_id, reason="responder-failed: it broke off")
        again = await one.find(reply)
        assert await heard(again) == "Once "
        with pytest.raises(ResponderFailed, match="it broke off"):
            await outcome(again)


async def test_an_answer_without_end_is_cut_where_a_message_must_end(dsn: str) -> None:
    async with conversing(dsn, message_limit=8) as one:
        one.responder.answers("Käse ", "Käse ", "Käse")
        reply = await one.ask("Well?")
        with pytest.raises(ResponderFailed, match="longer than the 8 bytes"):
            await outcome(reply)
        assert await heard(reply) == "Käse K"
        assert (await one.messages(reply.conversation_id))[-1] == ("assistant", "Käse K", "interrupted")


async def test_a_session_that_ended_meanwhile_takes_the_reply(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("Well?")
        await commands.end(one.hansard.repository, ANN, reply.conversation_id)
        go.set()
        assert text(await outcome(reply)) == "Once more."


async def test_of_a_conversation_that_was_erased_meanwhile_nothing_is_stored(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("Well?")
        await heard_until(reply, "Once ")
        await commands.change_conversation(
            one.hansard.repository,
            ANN,
            reply.conversation_id,
            lambda known: decisions.erase(known, "ann", "she asked for it"),
        )
        await one.hansard.replies.forget(reply.shard, reply.conversation_id)
        with pytest.raises(ConversationIsErased):
            await outcome(reply)
        assert len(await one.events(reply.conversation_id)) == 3
        assert await one.drafts() == 0


async def test_a_process_that_stops_gives_running_replies_a_grace(dsn: str) -> None:
    async with conversing(dsn, grace=30) as one:
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("Well?")
        draining = asyncio.create_task(one.hansard.replies.drain())
        await asyncio.sleep(0)
        with pytest.raises(StoreIsClosed):
            await one.ask("And I?")
        go.set()
        await draining
        assert text(await outcome(reply)) == "Once more."


async def test_and_then_stores_them_as_they_are(dsn: str) -> None:
    async with processes(dsn, 2, grace=0) as (one, other):
        one.responder.answers("Once ", asyncio.Event())
        one.responder.answers(asyncio.Event())
        begun = await one.ask("Well?")
        silent = await one.ask("And?")
        await heard_until(begun, "Once ")
        listener = await other.find(begun)
        await one.hansard.replies.drain()
        assert (await outcome(begun)).status == "interrupted"
        assert (await outcome(listener)).status == "interrupted"
        with pytest.raises(ReplyLost):
            await outcome(silent)
        assert await last(one, silent) == ReplyFailed(in_reply_to=silent.question_id, reason="lost")


async def given_an_orphan(one: Conversing, reply: Reply, content: bytes) -> Draft:
    """Of a process that is gone, in the conversation of a reply that was given."""
    gone = Drafts(one.hansard.pool, new_id(), lease=-1)
    orphan = Draft(reply.shard, reply.conversation_id, str(new_id()), "ann", reply.question_id, True)
    assert await gone.claim(orphan)
    await gone.keep([DraftUpdate(reply.shard, reply.conversation_id, orphan.reply_id, content)])
    return orphan


async def no_drafts(one: Conversing) -> None:
    async with asyncio.timeout(30):
        while await one.drafts():  # noqa: ASYNC110 - another process ends them
            await asyncio.sleep(0.05)


async def test_what_a_process_leaves_behind_is_stored_once_by_those_that_live(dsn: str) -> None:
    async with processes(dsn, 3) as several:
        one = several[0]
        reply = await one.ask("Well?")
        await outcome(reply)
        orphan = await given_an_orphan(one, reply, "So f\0är".encode())
        await no_drafts(one)
        *_, added = events = await one.events(reply.conversation_id)
        assert len(events) == 4
        assert added == MessageAdded(
            message_id=orphan.reply_id,
            role="assistant",
            content="So f\0är",
            is_fortune=True,
            in_reply_to=reply.question_id,
            status="interrupted",
        )


async def test_and_recorded_as_none_if_not_a_word_was_saved(dsn: str) -> None:
    async with processes(dsn, 2) as (one, _):
        reply = await one.ask("Well?")
        await outcome(reply)
        await given_an_orphan(one, reply, b"")
        await no_drafts(one)
        assert await last(one, reply) == ReplyFailed(in_reply_to=reply.question_id, reason="lost")
        assert len(await one.events(reply.conversation_id)) == 4


async def test_a_draft_whose_question_was_never_stored_just_goes(dsn: str) -> None:
    async with conversing(dsn) as one:
        gone = Drafts(one.hansard.pool, new_id(), lease=-1)
        assert await gone.claim(Draft(one.hansard.store.shard_of("ann"), new_id(), "r", "ann", "q", False))
        await no_drafts(one)
        assert await one.execute("SELECT 1 FROM events") == []


async def test_a_message_to_an_orphans_conversation_does_not_wait_for_anybody_to_find_it(dsn: str) -> None:
    async with conversing(dsn) as one:
        reply = await one.ask("Well?")
        await outcome(reply)
        await given_an_orphan(one, reply, b"So far")
        await one.said("And now?", reply.conversation_id)
        said = [line[:2] for line in await one.messages(reply.conversation_id)]
        assert said[2:] == [("assistant", "So far"), ("user", "And now?"), ("assistant", "Certainly.")]


async def test_a_process_that_was_too_slow_finds_its_reply_ended_and_stores_no_second_one(dsn: str) -> None:
    async with processes(dsn, 2) as (one, other):
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("Well?")
        await heard_until(reply, "Once ")
        await one.hansard.replies._keep()
        await one.execute("UPDATE drafts SET lease_until = now() - interval '1 minute', content = 'On'")
        (orphan,) = await Drafts(other.hansard.pool, new_id()).orphans(range(SHARDS))
        await other.hansard.replies._end_orphan(orphan)
        await one.hansard.replies._keep()
        assert text(await outcome(reply)) == "On"
        assert len(await one.events(reply.conversation_id)) == 3
