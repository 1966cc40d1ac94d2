"""Replies that other processes give, as this one's listeners have them: one look at each for all of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from projections.history import decode_text
from service.replies.drafts import Draft, Drafts
from service.replies.ending import Endings, ReplyEnd
from service.replies.errors import ReplyLost
from service.replies.reply import Reply
from service.replies.running import PASSING

log = logging.getLogger("hansard.replies")

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at a reply."""


class Following:
    def __init__(
        self, drafts: Drafts, endings: Endings, end_orphan: Callable[[Draft], Awaitable[None]]
    ) -> None:
        self._drafts = drafts
        self._endings = endings
        self._end_orphan = end_orphan
        self._followed: dict[str, Reply] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = False

    def follow(self, draft: Draft) -> Reply:
        if (known := self._followed.get(draft.reply_id)) is not None:
            return known
        reply = Reply(draft.reply_id, draft.shard, draft.conversation_id, draft.in_reply_to)
        if self._left:
            reply.leave()
            return reply
        reply.grow_to(draft.text)
        self._followed[reply.id] = reply
        task = asyncio.create_task(self._follow(reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return reply

    def leave(self) -> None:
        """Listeners go on at another process."""
        self._left = True
        for task in self._tasks:
            task.cancel()
        for reply in self._followed.values():
            if not reply.ended:
                reply.leave()

    async def _follow(self, reply: Reply) -> None:
        try:
            while True:
                with suppress(*PASSING):
                    await self._look_at(reply)
                if reply.ended:
                    return
                await asyncio.sleep(LOOK_EVERY)
        except Exception as failed:
            log.exception("a reply could not be followed")
            reply.end(ReplyEnd(None, failed))
        finally:
            del self._followed[reply.id]

    async def _look_at(self, reply: Reply) -> None:
        draft = await self._drafts.of_conversation(reply.shard, reply.conversation_id)
        if draft is not None and draft.reply_id == reply.id:
            reply.grow_to(draft.text)
            if draft.is_orphan:
                await self._end_orphan(draft)
            return
        ended = await self._endings.of(reply.shard, reply.conversation_id, reply.id)
        ended = ended or await self._answered_before(reply)
        if ended.message is not None:
            reply.grow_to(decode_text(ended.message.content))
        reply.end(ended)

    async def _answered_before(self, reply: Reply) -> ReplyEnd:
        """A claim that was let go, because the question had its reply already."""
        question = await self._endings.message(reply.shard, reply.conversation_id, reply.question_id)
        answer = question and await self._endings.answer(reply.shard, question)
        return ReplyEnd(answer) if answer else ReplyEnd(None, ReplyLost())
