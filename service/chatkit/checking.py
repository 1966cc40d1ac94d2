"""What is seen to before ChatKit's package begins: it stores as it goes, and what breaks there would leave
half of a request behind, and no word of why."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from chatkit.store import NotFoundError
from chatkit.types import (
    ChatKitReq,
    ItemsListReq,
    LockedStatus,
    StreamingReq,
    ThreadMetadata,
    ThreadsAddStructuredInputReq,
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsCustomActionReq,
    ThreadsListReq,
    ThreadsRetryAfterItemReq,
    UserMessageInput,
    UserMessageItem,
    is_streaming_req,
)
from pydantic import TypeAdapter, ValidationError

from domain.content import Limits, check_message
from domain.errors import (
    ContentEmpty,
    ConversationNotFound,
    MessageNotFound,
    NumberOutOfRange,
    SessionHasEnded,
)
from service.chatkit.context import ChatContext
from service.chatkit.errors import AttachmentNotFound, NotAChatKitRequest, RequestDoesNotFit, ThreadIsLocked
from service.chatkit.items import as_added
from service.chatkit.store import MOST, HansardStore

REQUEST: Final[TypeAdapter[ChatKitReq]] = TypeAdapter(ChatKitReq)
SOME_ID: Final = str(UUID(int=0))


def request_in(body: str | bytes | bytearray) -> ChatKitReq:
    try:
        return REQUEST.validate_json(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"][0].lower() + first["msg"][1:]
        raise NotAChatKitRequest(what=f"{place}: {said}" if place else said) from None


async def check(request: ChatKitReq, store: HansardStore, context: ChatContext, limits: Limits) -> None:
    """Nothing that is looked at here counts as seen by the request."""
    mine = ChatContext(context.caller, context.opportunity)
    if isinstance(request, ThreadsListReq | ItemsListReq):
        check_limit(request.params.limit)
    if isinstance(request, ItemsListReq):
        await thread_in(request.params.thread_id, store, mine)
    if is_streaming_req(request):
        await check_thread(request, store, mine)
    if isinstance(request, ThreadsCreateReq | ThreadsAddUserMessageReq):
        await check_message_in(request.params.input, store, mine, limits)
    if isinstance(request, ThreadsRetryAfterItemReq):
        item = await item_in(request.params.thread_id, request.params.item_id, store, mine)
        if not isinstance(item, UserMessageItem):
            raise RequestDoesNotFit(what="only after a user's message can be tried again")
    if isinstance(request, ThreadsAddStructuredInputReq):
        item = await item_in(request.params.thread_id, request.params.item_id, store, mine)
        if getattr(item, "status", None) != "pending" or item.type != "structured_input":
            raise RequestDoesNotFit(what="the item asks for nothing, or has its answers already")
    if isinstance(request, ThreadsCustomActionReq) and request.params.item_id:
        item = await item_in(request.params.thread_id, request.params.item_id, store, mine)
        if item.type != "widget":
            raise RequestDoesNotFit(what="only a widget sends actions")


def check_limit(limit: int | None) -> None:
    if limit is not None and not 1 <= limit <= MOST:
        raise NumberOutOfRange(field="limit", value=limit, low=1, high=MOST)


async def check_thread(request: StreamingReq, store: HansardStore, context: ChatContext) -> None:
    if isinstance(request, ThreadsCreateReq):
        return
    thread = await thread_in(request.params.thread_id, store, context)
    if isinstance(thread.status, LockedStatus):
        reason = thread.status.reason
        raise ThreadIsLocked(why=f": {reason}" if reason else ".")
    if thread.status.type == "closed":
        raise SessionHasEnded


async def thread_in(thread_id: str, store: HansardStore, context: ChatContext) -> ThreadMetadata:
    try:
        return await store.load_thread(thread_id, context)
    except NotFoundError:
        raise ConversationNotFound from None


async def item_in(thread_id: str, item_id: str, store: HansardStore, context: ChatContext) -> Any:
    try:
        return await store.load_item(thread_id, item_id, context)
    except NotFoundError:
        raise MessageNotFound(message_id=item_id) from None


async def check_message_in(
    given: UserMessageInput, store: HansardStore, context: ChatContext, limits: Limits
) -> None:
    attachments = []
    for attachment_id in given.attachments:
        try:
            attachments.append(await store.load_attachment(attachment_id, context))
        except NotFoundError:
            raise AttachmentNotFound(attachment_id=attachment_id) from None
    item = UserMessageItem(
        id=SOME_ID,
        thread_id=SOME_ID,
        created_at=datetime.now(UTC),
        content=given.content,
        attachments=attachments,
        quoted_text=given.quoted_text,
        inference_options=given.inference_options,
    )
    wish = as_added(SOME_ID, item)
    if not wish.content and not attachments:
        raise ContentEmpty(field="content")
    check_message(wish, limits)


@contextmanager
def as_refusals() -> Iterator[None]:
    """ChatKit's package says with a plain error that a request does not fit what is there."""
    try:
        yield
    except NotFoundError:
        raise ConversationNotFound from None
    except ValidationError:
        raise
    except ValueError as unfit:
        raise RequestDoesNotFit(what=str(unfit)) from None
