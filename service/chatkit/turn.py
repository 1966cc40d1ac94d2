"""One reply as ChatKit shows it: the server's own, which runs and is stored without whoever listens."""

from collections.abc import AsyncIterator
from datetime import datetime

from chatkit.errors import CustomStreamError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from domain.errors import Refusal
from service.replies.ending import ReplyEnd
from service.replies.reply import Reply
from service.responder import ResponderFailed


async def said(reply: Reply, thread_id: str) -> AsyncIterator[ThreadStreamEvent]:
    """The reply as it grows, from its first word on; nothing if there never is one."""
    begun = False
    async for piece in reply.pieces():
        if not begun:
            begun = True
            now = datetime.now()  # noqa: DTZ005 - as ChatKit's own package has it
            item = AssistantMessageItem(id=reply.id, thread_id=thread_id, created_at=now, content=[])
            yield ThreadItemAddedEvent(item=item)
            yield updated(reply, AssistantMessageContentPartAdded(content_index=0, content=text("")))
        yield updated(reply, AssistantMessageContentPartTextDelta(content_index=0, delta=piece))
    if begun:
        yield updated(reply, AssistantMessageContentPartDone(content_index=0, content=text(reply.text)))


def updated(
    reply: Reply,
    update: AssistantMessageContentPartAdded
    | AssistantMessageContentPartTextDelta
    | AssistantMessageContentPartDone,
) -> ThreadItemUpdatedEvent:
    return ThreadItemUpdatedEvent(item_id=reply.id, update=update)


def text(content: str) -> AssistantMessageContent:
    return AssistantMessageContent(text=content)


def raise_failure(ended: ReplyEnd) -> None:
    """In words for the person, who may try again: her message is stored."""
    failure = ended.failure
    if isinstance(failure, ResponderFailed):
        raise CustomStreamError(f"The responder failed: {failure.facts['why']}.", allow_retry=True)
    if isinstance(failure, Refusal):
        raise CustomStreamError(str(failure), allow_retry=True)
    if failure is not None:
        raise failure
