"""One turn: the question stored, everything told to the responder, its reply heard and stored."""

import asyncio

import pytest

from domain.errors import CommandReused, ConversationNotFound, MessageNotFound, SessionHasEnded
from domain.events import MessageAdded, ReplyFailed
from projections import history
from service import commands
from service.replies.errors import ReplyInProgress, TooManyReplies
from service.responder import ResponderFailed, Used
from service.store.repository import Caller
from tests.service.replies.conversing import ANN, command, conversing, heard, heard_until, outcome
from tests.service.store.appending import until

BOB = Caller("bob", "bob")


async def test_the_question_is_stored_and_then_its_reply(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("Three hundred ", "metres.", Used(17))
        reply = await one.said("How tall is it?", is_fortune=True, metadata={"from": "web"})
        question, added = (await one.events(reply.conversation_id))[1:]
        assert isinstance(question, MessageAdded)
        assert (question.role, question.content, question.metadata) == (
            "user",
            "How tall is it?",
            {"from": "web"},
        )
        assert added == MessageAdded(
            message_id=reply.message_id,
            role="assistant",
            content="Three hundred metres.",
            is_fortune=True,
            in_reply_to=question.message_id,
            tokens=17,
        )
        assert await one.drafts() == 0


async def test_the_responder_is_told_all_that_the_user_said_anywhere_in_order_and_nothing_of_others(
    dsn: str,
) -> None:
    async with conversing(dsn) as one:
        for answer in ("A1", "B1", "X1", "A2"):
            one.responder.answers(answer)
        first = await one.said("A?")
        await one.said("B?")
        await one.said("X?", caller=BOB)
        await one.said("A again?", first.conversation_id)
        assert one.responder.lines() == [
            ("user", "A?"),
            ("assistant", "A1"),
            ("user", "B?"),
            ("assistant", "B1"),
            ("user", "A again?"),
        ]


async def test_a_question_asked_meanwhile_elsewhere_is_not_told_after_this_one(dsn: str) -> None:
    async with conversing(dsn) as one:
        replies = await asyncio.gather(*(one.said(f"Question {each}?") for each in range(5)))
        assert len({reply.conversation_id for reply in replies}) == 5
        asked = {each[-1].content for each in one.responder.heard}
        assert asked == {f"Question {each}?" for each in range(5)}


async def test_a_cap_leaves_the_newest_and_always_the_question(dsn: str) -> None:
    async with conversing(dsn, history_messages=2) as one:
        first = await one.said("One?")
        await one.said("Two?", first.conversation_id)
        assert one.responder.lines() == [("assistant", "Certainly."), ("user", "Two?")]
    async with conversing(dsn, history_characters=19) as one:
        await one.said("Three?", first.conversation_id)
        assert one.responder.lines() == [("assistant", "Certainly."), ("user", "Three?")]
        await one.said("A question of more than twenty characters?", first.conversation_id)
        assert one.responder.lines() == [("user", "A question of more than twenty characters?")]


async def test_a_history_longer_than_a_page_is_told_whole(dsn: str) -> None:
    async with conversing(dsn) as one:
        first = await one.said("0")
        said = [MessageAdded(message_id=f"m{each}", role="user", content=str(each)) for each in range(1, 999)]
        await commands.add_messages(one.hansard.repository, ANN, first.conversation_id, said)
        await one.said("999", first.conversation_id)
        told = [line for line in one.responder.lines() if line[0] == "user"]
        assert told == [("user", str(each)) for each in range(1000)]


async def test_who_asked_may_go_away_and_the_reply_is_stored_all_the_same(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers("Once ", go, "upon a time.")
        asking = asyncio.create_task(one.said("Tell me a story."))
        await one.responder.asked.wait()
        asking.cancel()
        await asyncio.wait({asking})
        (row,) = await one.execute("SELECT conversation_id FROM drafts")
        listener = await one.hansard.replies.find(one.hansard.store.shard_of("ann"), row[0])
        go.set()
        assert listener is not None
        assert history.decode_text((await outcome(listener)).content) == "Once upon a time."


async def test_listeners_come_and_go_at_any_offset_and_a_slow_one_holds_up_nobody(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers("Ein ", "Stück ", go, "Käse ", "😀", "!")
        reply = await one.ask("Was gibt es?")
        slow = reply.pieces()
        assert await anext(slow) == "Ein Stück "
        early = asyncio.create_task(heard(reply))
        await asyncio.sleep(0)
        go.set()
        await outcome(reply)
        assert await early == "Ein Stück Käse 😀!"
        assert [piece async for piece in slow] == ["Käse 😀!"]
        assert await heard(reply, 6) == "ück Käse 😀!"
        assert await heard(reply, 100) == ""


async def test_a_listener_who_waits_hears_from_time_to_time_that_nothing_came(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers(go, "At last.")
        reply = await one.ask("Well?")
        pieces = reply.pieces(patience=0.01)
        assert [await anext(pieces) for _ in range(3)] == ["", "", ""]
        go.set()


async def test_a_character_that_comes_in_two_halves_is_one_and_half_of_one_is_none(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("a\ud83d", "\ude00b", "\ude00", "c\ud83d")
        reply = await one.said("Well?")
        assert history.decode_text(reply.content) == "a😀b\ufffdc"


async def test_a_second_message_has_to_wait_and_is_not_stored(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("First?")
        with pytest.raises(ReplyInProgress):
            await one.ask("Second?", reply.conversation_id)
        go.set()
        await outcome(reply)
        assert [line[1] for line in await one.messages(reply.conversation_id)] == ["First?", "Once more."]
        await one.said("Second?", reply.conversation_id)


async def test_unless_it_asks_to_interrupt_and_then_what_came_is_kept(dsn: str) -> None:
    async with conversing(dsn) as one:
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("First?")
        await heard_until(reply, "Once ")
        await one.said("Second?", reply.conversation_id, interrupt=True)
        assert (await outcome(reply)).status == "interrupted"
        assert await one.messages(reply.conversation_id) == [
            ("user", "First?", "complete"),
            ("assistant", "Once ", "interrupted"),
            ("user", "Second?", "complete"),
            ("assistant", "Certainly.", "complete"),
        ]


async def test_a_message_that_is_repeated_with_its_key_joins_its_own_reply(dsn: str) -> None:
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        first = await one.ask("Well?", command=command("k"))
        again = await one.ask("Well?", command=command("k"))
        assert again is first
        go.set()
        stored = await outcome(first)
        assert await one.said("Well?", command=command("k")) == stored
        assert len(one.responder.heard) == 1
        with pytest.raises(CommandReused):
            await one.ask("Something else?", command=command("k", "another body"))
        assert len(await one.events(first.conversation_id)) == 3


async def test_after_a_failure_the_same_key_asks_again_and_adds_no_question(dsn: str) -> None:
    async with conversing(dsn) as one:
        for steps in ([ResponderFailed(why="no")], ["Half ", ResponderFailed(why="no")], ["Whole."]):
            one.responder.answers(*steps)
        for _ in range(2):
            with pytest.raises(ResponderFailed):
                await one.said("Well?", command=command("k"))
        reply = await one.said("Well?", command=command("k"))
        assert await one.said("Well?", command=command("k")) == reply
        assert await one.messages(reply.conversation_id) == [
            ("user", "Well?", "complete"),
            ("assistant", "Half ", "interrupted"),
            ("assistant", "Whole.", "complete"),
        ]
        failed = [event for event in await one.events(reply.conversation_id) if type(event) is ReplyFailed]
        assert [event.reason for event in failed] == ["responder-failed: no"] * 2
        assert all(lines == [("user", "Well?")] for lines in map(one.responder.lines, range(3)))


async def test_what_nobody_may_send_is_refused_and_leaves_no_draft(dsn: str) -> None:
    async with conversing(dsn) as one:
        reply = await one.said("Well?")
        with pytest.raises(ConversationNotFound):
            await one.ask("Mine?", reply.conversation_id, caller=BOB)
        await commands.end(one.hansard.repository, ANN, reply.conversation_id)
        with pytest.raises(SessionHasEnded):
            await one.ask("Still there?", reply.conversation_id)
        assert await one.drafts() == 0


async def test_a_question_that_was_removed_is_not_answered_by_repeating_it(dsn: str) -> None:
    async with conversing(dsn) as one:
        reply = await one.said("Well?", command=command("k"))
        repository, question = one.hansard.repository, str(reply.in_reply_to)
        await commands.remove_message(repository, ANN, reply.conversation_id, question)
        with pytest.raises(MessageNotFound):
            await one.ask("Well?", command=command("k"))


async def test_a_user_has_only_so_many_running_replies(dsn: str) -> None:
    async with conversing(dsn, replies_per_user=2) as one:
        go = asyncio.Event()
        for _ in range(3):
            one.responder.answers(go, "Yes.")
        running = [await one.ask(f"{each}?") for each in range(2)]
        with pytest.raises(TooManyReplies):
            await one.ask("One too many?")
        other = await one.ask("And I?", caller=BOB)
        go.set()
        for reply in (*running, other):
            await outcome(reply)
        await one.said("Now?")


async def test_metadata_of_the_conversation_comes_with_the_message(dsn: str) -> None:
    async with conversing(dsn) as one:
        shard = one.hansard.store.shard_of("ann")
        first = await one.said("Well?", conversation_metadata={"channel": "web"})
        state = await one.hansard.repository.load(shard, first.conversation_id)
        assert state is not None
        assert state.metadata == {"channel": "web"}
        await one.said("And?", first.conversation_id, conversation_metadata={"channel": "phone"})
        state = await one.hansard.repository.load(shard, first.conversation_id)
        assert state is not None
        assert state.metadata == {"channel": "phone"}


async def test_no_connection_is_held_while_a_model_is_waited_for(dsn: str) -> None:
    async with conversing(dsn, pool_size=2, replies_per_user=0) as one:
        go = asyncio.Event()
        for _ in range(20):
            one.responder.answers(go, "Yes.")
        running = [await one.ask(f"{each}?") for each in range(20)]
        assert await one.drafts() == 20
        await until(lambda: one.hansard.pool.get_stats()["pool_available"] == 2)
        go.set()
        for reply in running:
            await outcome(reply)
