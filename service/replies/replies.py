"""The replies of one process: begun, found again, stopped, kept, and ended where their process is gone."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from domain.errors import CommandReused, MessageNotFound
from projections.history import END, HistoryMessage, decode_text
from projections.reading.view import View
from service.commands import owned
from service.repeating import Repeating
from service.replies.asked import Asked
from service.replies.drafts import Draft, Drafts
from service.replies.ending import LOST, STOPPED, Endings, ReplyEnd
from service.replies.errors import ReplyInProgress, ReplyLost, TooManyReplies
from service.replies.following import Following
from service.replies.heard import heard
from service.replies.keeping import NOT_SEEN_TO, SAVE_EVERY, end_orphan, keep, log
from service.replies.reply import Reply
from service.replies.running import PASSING, Running, Works
from service.responder import Responder, responder_of
from service.settings.settings import Settings
from service.store.afterwards import once_stored
from service.store.errors import StoreIsClosed
from service.store.ids import new_id
from service.store.log import stored_command
from service.store.reach import Reach
from service.store.repository import Repository

MEET_AGAIN: Final = 0.02
"""Seconds until a request that repeats another looks whether that one's message is stored."""

STORING: Final = 20.0
"""Seconds that a stopping process tries to store its replies, once they have been cut off."""
HANDING_ON: Final = 1.0
"""Seconds that those have who hand the end of a reply on."""


class Replies:
    """Belongs to the event loop in which it was made."""

    def __init__(
        self,
        repository: Repository,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        reach: Reach,
        view: View,
        settings: Settings,
        responder: Responder | None = None,
    ) -> None:
        self._repository = repository
        self._pool = pool
        self._reach = reach
        self._view = view
        self._drafts = Drafts(pool, new_id())
        self._settings = settings
        self._responder = responder
        self._running: dict[UUID, Running] = {}
        self._let_go_of: dict[str, Draft] = {}
        """Drafts that nobody will produce, and that could not be dropped yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._beside: dict[asyncio.Task[None], Callable[[], None]] = {}
        self._keeping = [
            Repeating(work, SAVE_EVERY, log, NOT_SEEN_TO, passing=PASSING)
            for work in (self._keep, self._end_orphans)
        ]
        self._draining: asyncio.Task[None] | None = None
        self.endings = Endings(pool, view)
        self._following = Following(self._drafts, self.endings, self._end_orphan)

    async def start(self) -> None:
        if self._responder is None:
            self._responder = await asyncio.to_thread(responder_of, self._settings)
        self._works = Works(
            self._repository, self._drafts, self.endings, self._responder, self._settings.system_prompt
        )
        for keeping in self._keeping:
            keeping.start()

    async def close(self) -> None:
        await self.drain()
        for keeping in self._keeping:
            await keeping.close()
        if self._responder is not None:
            await self._responder.close()

    async def drain(self) -> None:
        """No more replies begin; those that run have the grace that the settings give, and are then stored
        as they are. Whoever listens to another process's reply goes on there."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drained())
        await asyncio.shield(self._draining)

    async def ask(self, asked: Asked) -> Reply:
        """The question is stored, and the reply runs, here or in another process, or has ended already.

        Whoever asked may go away at any moment: the turn is the server's.
        """
        begun: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._turn(asked, begun))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(begun)

    async def find(self, shard: int, conversation_id: UUID, reply_id: str | None = None) -> Reply | None:
        """The running reply, or that one; if it has ended, as it was stored."""
        running = self._running.get(conversation_id)
        if running is not None and reply_id in (None, running.reply.id):
            return running.reply
        draft = await self._drafts.of_conversation(shard, conversation_id)
        if draft is not None and reply_id in (None, draft.reply_id):
            return self._following.follow(draft)
        if reply_id is None:
            latest = await self.endings.latest(shard, conversation_id)
            if latest is None:
                return None
            reply_id = latest.message_id
            ended = await self.endings.of(shard, conversation_id, reply_id) or ReplyEnd(latest)
        else:
            found = await self.endings.of(shard, conversation_id, reply_id)
            if found is None:
                return None
            ended = found
        return ended_reply(shard, conversation_id, reply_id, ended)

    async def stop(self, shard: int, conversation_id: UUID, reply_id: str | None = None) -> Reply | None:
        """The running reply, if it is that one, which ends now, whichever process gives it."""
        running = self._running.get(conversation_id)
        if running is not None and reply_id in (None, running.reply.id):
            running.stop(STOPPED)
            return running.reply
        draft = await self._drafts.of_conversation(shard, conversation_id)
        if draft is None or reply_id not in (None, draft.reply_id):
            return None
        await self._drafts.want_stop(draft)
        return self._following.follow(draft)

    async def silence(self, shard: int, conversation_id: UUID) -> None:
        """The same, and what came of it is stored when this returns: what is said next comes after it."""
        reply = await self.stop(shard, conversation_id)
        if reply is not None:
            await reply.ended_as()

    def stop_with_them(self, work: asyncio.Task[None], stop: Callable[[], None]) -> None:
        """Work that hands replies on, or makes them in a way of its own: has the same grace, and is then
        told to stop."""
        self._beside[work] = stop
        work.add_done_callback(self._beside.pop)

    async def forget(self, shard: int, conversation_id: UUID) -> None:
        """The conversation was erased: what is being said in it goes too, in all processes."""
        await self._drafts.forget(shard, conversation_id)
        if conversation_id in self._running:
            self._running[conversation_id].stop(STOPPED)

    async def _turn(self, asked: Asked, begun: asyncio.Future[Reply]) -> None:
        running = None
        try:
            while running is None:
                await self._drop_what_was_let_go([self._shard_of(asked)])
                if self._draining is not None:
                    raise StoreIsClosed
                if (earlier := await self._earlier(asked)) is not None:
                    begun.set_result(earlier)
                    return
                running = await self._claimed(asked)
            await self._give(asked, running, begun)
        except Exception as refused:
            if running is not None:
                await self._let_go(running)
                running.reply.end(ReplyEnd(None, refused))
            settle(begun, refused)
        finally:
            settle(begun, ReplyLost())  # cut off; nobody must wait for it
            if running is not None:
                running.reply.end(ReplyEnd(None, ReplyLost()))
                if self._running.get(asked.conversation_id) is running:
                    del self._running[asked.conversation_id]

    async def _earlier(self, asked: Asked) -> Reply | None:
        """Of a request that repeats one: what that one has led to, if it was a reply."""
        if asked.command is None:
            return None
        shard = self._shard_of(asked)
        async with self._pool.connection() as connection:
            known = await stored_command(connection, shard, asked.command.id)
        if known is None:
            return None
        if known.digest != asked.command.digest:
            raise CommandReused
        # In this order: a repeated request may claim the conversation for a moment after its reply is there.
        running = await self._drafts.of_conversation(shard, asked.conversation_id)
        answer = await self._answer(await self._question(asked), shard)
        if answer is not None or running is None or running.in_reply_to != asked.question.message_id:
            return answer
        local = self._running.get(asked.conversation_id)
        if local is not None and local.reply.id == running.reply_id:
            return local.reply
        return self._following.follow(running)

    async def _answer(self, question: HistoryMessage, shard: int) -> Reply | None:
        """Nothing if all that there is broke off because the responder failed: then it is asked again."""
        answer = await self.endings.answer(shard, question)
        if answer is None:
            return None
        ended = await self.endings.of(shard, question.conversation_id, answer.message_id)
        if ended is not None and ended.failure is not None:
            return None
        reply = ended_reply(shard, question.conversation_id, answer.message_id, ReplyEnd(answer))
        reply.question = question
        return reply

    async def _claimed(self, asked: Asked) -> Running | None:
        """The conversation's one running reply is this one now; None: look again."""
        shard, caller = self._shard_of(asked), asked.caller
        if not asked.is_new:
            owned(await self._repository.load(shard, asked.conversation_id), caller)
        draft = Draft(
            shard,
            asked.conversation_id,
            asked.reply_id,
            caller.user_id,
            asked.question.message_id,
            asked.question.is_fortune,
        )
        if await self._drafts.claim(draft):
            running = Running(self._works, draft, caller.request_id)
            self._running[asked.conversation_id] = running
            return running
        other = await self._drafts.of_conversation(shard, asked.conversation_id)
        if other is None:
            return None
        if other.is_orphan and asked.conversation_id not in self._running:
            await self._end_orphan(other)
        elif asked.command is not None and other.in_reply_to == draft.in_reply_to:
            await asyncio.sleep(MEET_AGAIN)
        elif asked.interrupt:
            await self.silence(shard, asked.conversation_id)
        else:
            raise ReplyInProgress
        return None

    async def _give(self, asked: Asked, running: Running, begun: asyncio.Future[Reply]) -> None:
        shard, user_id = self._shard_of(asked), asked.caller.user_id
        most = self._settings.replies_per_user
        if most and await self._drafts.count(shard, user_id) > most:
            raise TooManyReplies(limit=most)
        changed = await asked.store(self._repository)
        with once_stored(session_id=str(asked.conversation_id)):
            question = running.reply.question = await self._question(asked)
            if changed.appended is not None and changed.appended.repeated:
                earlier = await self._answer(question, shard)
                if earlier is not None:
                    await self._let_go(running)
                    running.reply.end(await earlier.ended_as())
                    begun.set_result(earlier)
                    return
            said = await heard(
                self._view,
                shard,
                user_id,
                question.position if asked.told is None else END - 1,
                self._settings.history_messages,
                self._settings.history_characters,
                asked.told,
            )
        begun.set_result(running.reply)
        await running.produce(said)

    async def _question(self, asked: Asked) -> HistoryMessage:
        question = await self.endings.message(
            self._shard_of(asked), asked.conversation_id, asked.question.message_id
        )
        if question is None:
            raise MessageNotFound(message_id=asked.question.message_id)
        return question

    async def _let_go(self, running: Running) -> None:
        """If it cannot be said now, it is when the database is back."""
        self._let_go_of[running.draft.reply_id] = running.draft
        with suppress(*PASSING):
            await self._drop_what_was_let_go([running.draft.shard])

    async def _drop_what_was_let_go(self, shards: Sequence[int]) -> None:
        for reply_id, draft in list(self._let_go_of.items()):
            if draft.shard in shards:
                await self._drafts.drop(draft)
                self._let_go_of.pop(reply_id, None)

    async def _keep(self) -> None:
        await self._reach.each(self._keep_in, PASSING)

    async def _keep_in(self, lane: Sequence[int]) -> None:
        await self._drop_what_was_let_go(lane)
        await keep(self._drafts, [each for each in self._running.values() if each.draft.shard in lane])

    async def _end_orphans(self) -> None:
        await self._reach.each(self._end_orphans_in, PASSING)

    async def _end_orphans_in(self, lane: Sequence[int]) -> None:
        for orphan in await self._drafts.orphans(lane):
            await self._end_orphan(orphan)

    async def _end_orphan(self, draft: Draft) -> None:
        """A reply of this process is none, however slow it was."""
        if draft.conversation_id not in self._running:
            await end_orphan(self._works, draft)

    async def _drained(self) -> None:
        self._following.leave()
        if work := {*self._tasks, *self._beside}:
            await asyncio.wait(work, timeout=self._settings.grace)
        for running in self._running.values():
            running.stop(LOST)
        await ended(self._tasks, STORING)
        if self._beside:
            await asyncio.wait(set(self._beside), timeout=HANDING_ON)
        for stop in list(self._beside.values()):
            stop()
        await ended(set(self._beside), STORING)

    def _shard_of(self, asked: Asked) -> int:
        return self._repository.store.shard_of(asked.caller.user_id)


def ended_reply(shard: int, conversation_id: UUID, reply_id: str, ended: ReplyEnd) -> Reply:
    question_id = (ended.message.in_reply_to if ended.message else None) or ""
    reply = Reply(reply_id, shard, conversation_id, question_id)
    if ended.message is not None:
        reply.grow_to(decode_text(ended.message.content))
    reply.end(ended)
    return reply


def settle(begun: asyncio.Future[Reply], refused: Exception) -> None:
    """Nobody may be waiting any more; then nobody need be told."""
    if not begun.done():
        begun.set_exception(refused)
        begun.exception()


async def ended(tasks: set[asyncio.Task[None]], patience: float) -> None:
    """The database may be away: what cannot be stored in time stays in the drafts."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=patience)
        for each in late:
            each.cancel()
