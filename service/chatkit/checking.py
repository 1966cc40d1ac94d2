"""What is seen to before ChatKit's package begins: it stores as it goes, and what breaks there would leave
half of a request behind, and no word of why."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from chatkit.store import NotFoundError
from chatkit.types import (
    ChatKitReq,
    ItemsListReq,
    LockedStatus,
    StreamingReq,
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
from domain.errors import ContentEmpty, ConversationNotFound, NumberOutOfRange, Refusal, SessionHasEnded
from service.chatkit.context import ChatContext
from service.chatkit.errors import NotAChatKitRequest, RequestDoesNotFit, ThreadIsLocked
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
        await store.load_thread(request.params.thread_id, mine)
    if is_streaming_req(request):
        await check_thread(request, store, mine)
    if isinstance(request, ThreadsCreateReq | ThreadsAddUserMessageReq):
        await check_message_in(request.params.input, store, mine, limits)
    if isinstance(request, ThreadsRetryAfterItemReq):
        item = await store.load_item(request.params.thread_id, request.params.item_id, mine)
        if not isinstance(item, UserMessageItem):
            raise RequestDoesNotFit(what=f"item {item.id} is not a user message")
    if isinstance(request, ThreadsAddStructuredInputReq):
        item = await store.load_item(request.params.thread_id, request.params.item_id, mine)
        if getattr(item, "status", None) != "pending" or item.type != "structured_input":
            raise RequestDoesNotFit(what="the item asks for nothing, or has its answers already")
    if isinstance(request, ThreadsCustomActionReq) and request.params.item_id:
        item = await store.load_item(request.params.thread_id, request.params.item_id, mine)
        if item.type != "widget":
            raise RequestDoesNotFit(what="only a widget sends actions")


def check_limit(limit: int | None) -> None:
    if limit is not None and not 1 <= limit <= MOST:
        raise NumberOutOfRange(field="limit", value=limit, low=1, high=MOST)


async def check_thread(request: StreamingReq, store: HansardStore, context: ChatContext) -> None:
    if isinstance(request, ThreadsCreateReq):
        return
    thread = await store.load_thread(request.params.thread_id, context)
    if isinstance(thread.status, LockedStatus):
        reason = thread.status.reason
        raise ThreadIsLocked(why=f": {reason}" if reason else ".")
    if thread.status.type == "closed":
        raise SessionHasEnded


async def check_message_in(
    given: UserMessageInput, store: HansardStore, context: ChatContext, limits: Limits
) -> None:
    attachments = [await store.load_attachment(each, context) for each in given.attachments]
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
    """ChatKit's package says with a plain error that a request does not fit what is there, and so may an
    application's own server."""
    try:
        yield
    except (Refusal, ValidationError):
        raise
    except NotFoundError:
        raise ConversationNotFound from None
    except ValueError as unfit:
        raise RequestDoesNotFit(what=str(unfit)) from None
