"""The server that answers ChatKit's requests: its Store is the log, and its replies are everybody's."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any
from uuid import UUID

import anyio
from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.server import DEFAULT_PAGE_SIZE, ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.types import (
    AudioInput,
    FeedbackKind,
    NonStreamingReq,
    Page,
    StreamingReq,
    SyncCustomActionResponse,
    Thread,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadMetadata,
    ThreadsAddClientToolOutputReq,
    ThreadsAddStructuredInputReq,
    ThreadsAddUserMessageReq,
    ThreadsListReq,
    ThreadsRetryAfterItemReq,
    ThreadStreamEvent,
    ThreadUpdatedEvent,
    TranscriptionResult,
    UserMessageItem,
    WidgetItem,
)

from domain.errors import Refusal
from service.chatkit import checking
from service.chatkit.context import ChatContext
from service.chatkit.errors import NoSpeech, NoSuchAction
from service.chatkit.items import as_added
from service.chatkit.missing import ThreadNotFound, as_not_found
from service.chatkit.outgoing import failure_event, fitting, is_hidden, noting_what_is_cut_off
from service.chatkit.own_ids import with_own_ids
from service.chatkit.run import ChatKitRun
from service.chatkit.store import HansardStore
from service.chatkit.threads import changed_in, fields_of
from service.chatkit.told import told_of
from service.chatkit.turn import raise_failure, said
from service.chatkit.uploads import Uploads
from service.commands import rate_messages
from service.hansard import Hansard
from service.replies.asked import Asked, asked_before
from service.replies.reply import Reply
from service.store.repository import Caller

SPEAKING = (
    ThreadsAddUserMessageReq
    | ThreadsRetryAfterItemReq
    | ThreadsAddClientToolOutputReq
    | ThreadsAddStructuredInputReq
)
"""Requests that something is replied to, in a thread that is there already."""


class HansardChatKit(ChatKitServer[ChatContext]):
    """To be subclassed where the application has widgets, tools, workflows or replies of its own: what is
    overridden behaves as in any server of ChatKit's, on this Store."""

    store: HansardStore

    def __init__(self, hansard: Hansard) -> None:
        super().__init__(HansardStore(hansard), Uploads(hansard.settings))
        self.hansard = hansard

    async def process(
        self, request: str | bytes | bytearray, context: ChatContext
    ) -> StreamingResult | NonStreamingResult:
        """Raises a Refusal, before anything is stored, where the request cannot be carried out. That is a
        NotFoundError or a ValueError, too, where ChatKit's package raises one."""
        parsed = checking.request_in(request)
        await checking.check(parsed, self.store, context, self.hansard.repository.limits)
        if isinstance(parsed, SPEAKING):
            await self._silence(parsed.params.thread_id, context)
        return await super().process(request, context)

    async def answer(self, body: bytes, caller: Caller, opportunity: str | None = None) -> bytes | ChatKitRun:
        """What is said at once; or what is carried out by this process, whoever hears it."""
        with checking.as_refusals():
            result = await self.process(body, ChatContext(caller, opportunity))
        if isinstance(result, NonStreamingResult):
            return result.json
        run = ChatKitRun(refusing(result), stops=self.hansard.settings.chatkit_leave == "stop")
        self.hansard.replies.stop_with_them(run.work, run.stop)
        return run

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: ChatContext
    ) -> AsyncIterator[ThreadStreamEvent]:
        """The reply runs and is stored by the server, which ChatKit's package then finds it to be already."""
        reply_id = self.store.generate_item_id("message", thread, context)
        context.replies.add(reply_id)
        with anyio.CancelScope(shield=True):  # that what she did gets no reply is on record too
            asked = await self._asked(thread, input_user_message, reply_id, context)
        asking = asyncio.create_task(self.hansard.replies.ask(asked))
        heard = False
        try:
            known = called(thread, context)
            shown = await self._as_shown(thread, context)
            if fields_of(shown) != fields_of(known):
                yield ThreadUpdatedEvent(thread=self._to_thread_response(shown))
            reply = await begun(asking)
            async for event in said(reply, thread.id):
                yield event
            ended = await reply.ended_as()
            heard = True
        finally:
            if not heard:
                await self._left(asking)
        if ended.message is not None:
            yield ThreadItemDoneEvent(item=await self.store.load_item(thread.id, reply.id, context))
        if (now := await self._as_shown(thread, context)) != shown:
            yield ThreadUpdatedEvent(thread=self._to_thread_response(now))
        raise_failure(ended)

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: ChatContext
    ) -> None:
        conversation_id = await self._place_of(thread_id, context)
        with as_not_found(thread_id):
            await rate_messages(self.hansard.repository, context.caller, conversation_id, item_ids, feedback)

    async def transcribe(self, audio_input: AudioInput, context: ChatContext) -> TranscriptionResult:
        raise NoSpeech

    def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: ChatContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        raise CustomStreamError(str(NoSuchAction(action=action.type)))

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: ChatContext,
    ) -> SyncCustomActionResponse:
        raise NoSuchAction(action=action.type)

    async def handle_stream_cancelled(
        self, thread: ThreadMetadata, pending_items: list[ThreadItem], context: ChatContext
    ) -> None:
        """A reply of the server's is stored by now, marked interrupted, and needs no note beside it."""
        pending = [item for item in pending_items if item.id not in context.replies]
        if pending or not context.replies:
            with anyio.CancelScope(shield=True):
                await super().handle_stream_cancelled(thread, pending, context)

    async def _process_streaming(
        self, request: StreamingReq, context: ChatContext
    ) -> AsyncGenerator[bytes, None]:
        """What fails when the answer has begun is its last event; before that it is raised."""
        has_begun = False
        try:
            async with aclosing(super()._process_streaming(request, context)) as events:
                async for event in events:
                    has_begun = True
                    yield event
        except Exception as failed:
            if not has_begun:
                raise
            yield b"data: %s\n\n" % self._serialize(failure_event(failed))

    async def _process_events(
        self,
        thread: ThreadMetadata,
        context: ChatContext,
        stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Whatever answers, its items have ids of their own and can be stored, and what is for the server's
        eyes stays here."""
        generate = partial(self.store.generate_item_id, thread=thread, context=context)
        limits = self.hansard.repository.limits

        def answers() -> AsyncIterator[ThreadStreamEvent]:
            own = noting_what_is_cut_off(with_own_ids(stream(), generate), context)
            return fitting(own, context.replies, limits)

        events = super()._process_events(thread, context, answers)
        async with aclosing(events):  # type: ignore[type-var] # it is a generator, whatever it is declared as
            async for event in events:
                if isinstance(event, ThreadUpdatedEvent) and event.thread == self._to_thread_response(thread):
                    now = await self._as_shown(thread, context)
                    yield ThreadUpdatedEvent(thread=self._to_thread_response(now))
                elif not is_hidden(event):
                    yield event

    async def _silence(self, thread_id: str, context: ChatContext) -> None:
        """Who sends the next message wants no more of the reply before it, as when she has stopped that and
        nobody has noticed yet."""
        shard = self.hansard.store.shard_of(context.user_id)
        await self.hansard.replies.silence(shard, await self._place_of(thread_id, context))

    async def _place_of(self, thread_id: str, context: ChatContext) -> UUID:
        if (place := await self.store.place_of(thread_id, context)) is None:
            raise ThreadNotFound(thread_id=thread_id)
        return place

    async def _asked(
        self,
        thread: ThreadMetadata,
        message: UserMessageItem | None,
        reply_id: str,
        context: ChatContext,
    ) -> Asked:
        told = None
        item: ThreadItem | None = message
        if item is None:
            newest = (await self.store.load_thread_items(thread.id, None, 20, "desc", context)).data
            if not newest:
                raise CustomStreamError("There is nothing yet that could be replied to.")
            item, told = newest[0], told_of(newest)
        question = as_added(thread.id, item)
        place = await self._place_of(thread.id, context)
        return asked_before(context.caller, place, question, reply_id, told)

    async def _left(self, asking: asyncio.Task[Reply]) -> None:
        """Whoever listened is gone. What was said so far is kept."""
        if self.hansard.settings.chatkit_leave == "finish":
            return
        with anyio.CancelScope(shield=True):
            await asyncio.wait({asking})
            if asking.cancelled() or asking.exception() is not None:
                return
            reply = asking.result()
            await self.hansard.replies.stop(reply.shard, reply.conversation_id, reply.id)
            await reply.ended_as()

    async def _as_shown(self, thread: ThreadMetadata, context: ChatContext) -> ThreadMetadata:
        """With what others have changed, what this request has, and what lists call it. What others have is
        not this request's change: ChatKit's package must neither know of it nor store it."""
        look = ChatContext(context.caller)
        stored = await self.store.load_thread(thread.id, look)
        context.called |= look.called
        after = fields_of(thread)
        return called(changed_in(stored, context.seen.get(thread.id, after), after), context)

    async def _process_non_streaming(self, request: NonStreamingReq, context: ChatContext) -> bytes:
        """A list of threads goes on after an id, and not after a name, which is gone with its thread."""
        if not isinstance(request, ThreadsListReq):
            return await super()._process_non_streaming(request, context)
        wish = request.params
        limit = wish.limit or DEFAULT_PAGE_SIZE
        page = await self.store.load_threads(limit, wish.after, wish.order, context)
        after = str(await self._place_of(page.after, context)) if page.after else None
        threads = [self._to_thread_response(thread) for thread in page.data]
        return self._serialize(Page(data=threads, has_more=page.has_more, after=after))

    async def _load_full_thread(self, thread_id: str, context: ChatContext) -> Thread:
        thread = await super()._load_full_thread(thread_id, context)
        thread.title = called(thread, context).title
        return thread


async def refusing(result: StreamingResult) -> AsyncGenerator[bytes, None]:
    with checking.as_refusals():
        async with aclosing(result.json_events) as events:
            async for event in events:
                yield event


def called(thread: ThreadMetadata, context: ChatContext) -> ThreadMetadata:
    """As clients are shown it: without a title it is called by how it begins."""
    return thread.model_copy(update={"title": thread.title or context.called.get(thread.id)})


async def begun(asking: asyncio.Task[Reply]) -> Reply:
    try:
        return await asyncio.shield(asking)
    except Refusal as refused:
        raise CustomStreamError(str(refused), allow_retry=True) from None
