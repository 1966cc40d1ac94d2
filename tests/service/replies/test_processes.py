"""Replies, seen from another process than the one that gives them."""

import asyncio

import pytest

from projections.history import decode_text
from service.replies.drafts import Draft, Drafts
from service.replies.errors import ReplyElsewhere, ReplyInProgress
from service.replies.following import LOOK_EVERY
from service.responder import ResponderFailed
from service.store.ids import new_id
from tests.service.replies.conversing import command, heard, heard_until, outcome, processes


async def test_a_listener_at_another_process_gets_the_same_text_and_the_same_end(dsn: str) -> None:
    async with processes(dsn) as (one, other):
        go = asyncio.Event()
        one.responder.answers("Ein ", "Stück ", go, "Käse.")
        reply = await one.ask("Was gibt es?")
        elsewhere = await other.find(reply)
        assert await other.find(reply) is elsewhere
        await heard_until(elsewhere, "Ein Stück ")
        rest = asyncio.create_task(heard(elsewhere, 6))
        go.set()
        assert await rest == "ück Käse."
        assert await heard(elsewhere) == await heard(reply) == "Ein Stück Käse."
        assert await outcome(elsewhere) == await outcome(reply)
        assert await heard(await other.find(reply)) == "Ein Stück Käse."
        await asyncio.sleep(2 * LOOK_EVERY)
        assert not elsewhere.left, "a listener that is late would not be told how it ended"


async def test_it_hears_of_a_failure_too(dsn: str) -> None:
    async with processes(dsn) as (one, other):
        go = asyncio.Event()
        one.responder.answers("Half ", go, ResponderFailed(why="it broke off"))
        reply = await one.ask("Well?")
        elsewhere = await other.find(reply)
        go.set()
        assert await heard(elsewhere) == "Half "
        with pytest.raises(ResponderFailed, match="it broke off"):
            await outcome(elsewhere)


async def test_a_reply_that_never_was_is_not_found_nor_one_of_another_conversation(dsn: str) -> None:
    async with processes(dsn) as (one, other):
        first, second = await one.ask("First?"), await one.ask("Second?")
        await outcome(first)
        await outcome(second)
        replies = other.hansard.replies
        assert await replies.find(first.shard, first.conversation_id, "nobody's") is None
        assert await replies.find(first.shard, first.conversation_id, second.id) is None
        latest = await replies.find(first.shard, first.conversation_id)
        assert latest is not None
        assert latest.id == first.id


async def test_one_conversation_has_one_running_reply_in_all_processes(dsn: str) -> None:
    async with processes(dsn) as (one, other):
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("First?")
        with pytest.raises(ReplyInProgress):
            await other.ask("Second?", reply.conversation_id)
        go.set()
        await outcome(reply)
        await other.said("Second?", reply.conversation_id)


@pytest.mark.parametrize("interrupt", [True, False])
async def test_it_is_stopped_from_another_process(dsn: str, interrupt: bool) -> None:
    async with processes(dsn) as (one, other):
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("First?")
        await heard_until(reply, "Once ")
        if interrupt:
            await other.said("Second?", reply.conversation_id, interrupt=True)
        else:
            stopped = await other.hansard.replies.stop(reply.shard, reply.conversation_id)
            assert stopped is not None
            assert await outcome(stopped) == await outcome(reply)
        ended = await outcome(reply)
        assert (decode_text(ended.content), ended.status) == ("Once ", "interrupted")


@pytest.mark.parametrize("is_new", [True, False])
async def test_ten_at_once_with_one_key_store_one_and_get_the_same_reply(dsn: str, is_new: bool) -> None:
    async with processes(dsn, 2) as several:
        before = None if is_new else (await several[0].said("Before?")).conversation_id
        asked = [several[each % 2].said("Well?", before, command=command("k")) for each in range(10)]
        replies = await asyncio.gather(*asked)
        assert all(reply == replies[0] for reply in replies)
        assert sum(len(each.responder.heard) for each in several) == (1 if is_new else 2)
        assert len(await several[0].events(replies[0].conversation_id)) == (3 if is_new else 5)


async def test_who_meets_a_claim_that_was_not_needed_gets_the_reply_that_was_there(dsn: str) -> None:
    async with processes(dsn) as (one, other):
        reply = await one.ask("Well?", command=command("k"))
        stored = await outcome(reply)
        drafts = Drafts(one.hansard.pool, new_id())
        needless = Draft(reply.shard, reply.conversation_id, "r2", "ann", reply.question_id, False)
        await drafts.claim(needless)
        assert await other.said("Well?", command=command("k")) == stored
        listener = await other.hansard.replies.find(reply.shard, reply.conversation_id)
        assert listener is not None
        assert listener.id == "r2"
        await drafts.drop(needless)
        assert await outcome(listener) == stored


async def test_a_process_that_stops_sends_its_listeners_to_the_one_that_gives_the_reply(dsn: str) -> None:
    async with processes(dsn, 2) as (one, other):
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("Well?")
        elsewhere = await other.find(reply)
        listening = asyncio.create_task(heard(elsewhere))
        await other.hansard.replies.drain()
        await listening
        assert elsewhere.left
        with pytest.raises(ReplyElsewhere):
            await outcome(elsewhere)
        go.set()
        assert decode_text((await outcome(reply)).content) == "Once more."
