"""The events of whatever answers, on their way to ChatKit's package, which stores them, and to the client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from chatkit.errors import CustomStreamError, ErrorCode
from chatkit.types import (
    ErrorEvent,
    HiddenContextItem,
    SDKHiddenContextItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadStreamEvent,
)

from domain.content import Limits, check_message
from domain.errors import (
    ContentRefused,
    ConversationIsErased,
    ConversationNotFound,
    MessageAlreadyAdded,
    MessageNotFound,
    Refusal,
    SessionHasEnded,
)
from service.chatkit.context import ChatContext
from service.chatkit.errors import RequestDoesNotFit
from service.chatkit.items import as_added

LASTING: Final = (
    ContentRefused,
    ConversationIsErased,
    ConversationNotFound,
    MessageAlreadyAdded,
    MessageNotFound,
    RequestDoesNotFit,
    SessionHasEnded,
)
"""The same request would be refused again."""


async def noting_what_is_cut_off(
    events: AsyncIterator[ThreadStreamEvent], context: ChatContext
) -> AsyncIterator[ThreadStreamEvent]:
    """ChatKit's package stores what it has of an item by then, and does not say that this is not all."""
    begun = set[str]()
    try:
        async for event in events:
            match event:
                case ThreadItemAddedEvent(item=item):
                    begun.add(item.id)
                case ThreadItemDoneEvent(item=item) | ThreadItemReplacedEvent(item=item):
                    begun.discard(item.id)
                case ThreadItemRemovedEvent(item_id=item_id):
                    begun.discard(item_id)
            yield event
    except asyncio.CancelledError:
        context.cut_off |= begun
        raise


async def fitting(
    events: AsyncIterator[ThreadStreamEvent], replies: set[str], limits: Limits
) -> AsyncIterator[ThreadStreamEvent]:
    """What cannot be stored is said here: ChatKit's package would say that something went wrong, and to try
    again. The server's own replies are stored already."""
    async for event in events:
        if isinstance(event, ThreadItemDoneEvent | ThreadItemReplacedEvent) and event.item.id not in replies:
            try:
                check_message(as_added(event.item.thread_id, event.item), limits)
            except Refusal as refused:
                raise CustomStreamError(str(refused)) from None
        yield event


def failure_event(failed: Exception) -> ErrorEvent:
    """In words for the person if they were meant for her."""
    if isinstance(failed, Refusal):
        return ErrorEvent(code="custom", message=str(failed), allow_retry=not isinstance(failed, LASTING))
    return ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)


def is_hidden(event: ThreadStreamEvent) -> bool:
    return isinstance(
        event, ThreadItemAddedEvent | ThreadItemDoneEvent | ThreadItemReplacedEvent
    ) and isinstance(event.item, HiddenContextItem | SDKHiddenContextItem)
