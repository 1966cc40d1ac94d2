"""Questions that somebody else has stored: asked as often as anybody wants."""

import asyncio
from uuid import UUID

from domain.events import MessageAdded
from projections.history import Said
from service import commands
from service.replies.asked import asked_before
from service.replies.reply import Reply
from service.store.ids import new_id
from tests.service.replies.conversing import ANN, LONGEST_WAIT, Conversing, conversing, heard_until, outcome


def question(content: str) -> MessageAdded:
    return MessageAdded(message_id=str(new_id()), role="user", content=content)


async def stored(one: Conversing, *said: MessageAdded) -> UUID:
    started = await commands.start_conversation(one.hansard.repository, ANN, first_messages=said)
    assert started.conversation is not None
    return started.conversation.id


async def again(
    one: Conversing, conversation_id: UUID, said: MessageAdded, told: Said | None = None
) -> Reply:
    wish = asked_before(ANN, conversation_id, said, str(new_id()), told)
    async with asyncio.timeout(LONGEST_WAIT):
        return await one.hansard.replies.ask(wish)


async def test_a_question_that_is_stored_is_replied_to_and_not_stored_again(dsn: str) -> None:
    async with conversing(dsn) as one:
        said = question("Well?")
        conversation_id = await stored(one, said)
        reply = await outcome(await again(one, conversation_id, said))
        assert reply.in_reply_to == said.message_id
        assert [line[1] for line in await one.messages(conversation_id)] == ["Well?", "Certainly."]


async def test_asked_again_while_it_is_replied_to_it_is_replied_to_anew(dsn: str) -> None:
    async with conversing(dsn) as one:
        said, never = question("Well?"), asyncio.Event()
        conversation_id = await stored(one, said)
        one.responder.answers("Once ", never)
        first = await again(one, conversation_id, said)
        await heard_until(first, "Once ")
        second = await again(one, conversation_id, said)
        assert (await outcome(first)).status == "interrupted"
        assert (await outcome(second)).status == "complete"
        assert one.responder.lines() == [("user", "Well?")]


async def test_what_is_told_last_comes_after_all_that_was_said_until_now(dsn: str) -> None:
    async with conversing(dsn, history_messages=3) as one:
        said = question("Where am I?")
        conversation_id = await stored(one, said)
        await one.said("Something else?")
        reply = await again(one, conversation_id, said, Said("user", "In Paris."))
        await outcome(reply)
        assert one.responder.lines() == [
            ("user", "Something else?"),
            ("assistant", "Certainly."),
            ("user", "In Paris."),
        ]


async def test_what_was_being_said_is_stored_once_there_is_silence(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("Well?")
        await heard_until(reply, "Once ")
        await one.hansard.replies.silence(reply.shard, reply.conversation_id)
        assert (await one.messages(reply.conversation_id))[1:] == [("assistant", "Once ", "interrupted")]
        await one.hansard.replies.silence(reply.shard, reply.conversation_id)


async def test_a_reply_that_is_over_stops_no_other(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        over = await one.said("One?")
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("Two?", over.conversation_id)
        await heard_until(reply, "Once ")
        assert await one.hansard.replies.stop(reply.shard, reply.conversation_id, over.message_id) is None
        go.set()
        assert (await outcome(reply)).status == "complete"


async def test_work_beside_the_replies_is_told_to_stop_after_them(dsn: str) -> None:
    async with conversing(dsn) as one:
        never, told = asyncio.Event(), asyncio.Event()
        one.responder.answers("Once ", never)
        reply = await one.ask("Well?")
        await heard_until(reply, "Once ")

        async def work() -> None:
            await told.wait()
            assert reply.ended

        task = asyncio.create_task(work())
        one.hansard.replies.stop_with_them(task, told.set)
        await one.hansard.replies.drain()
        await task
