"""A ChatKit server of one's own, in a process of its own, whose threads are on Hansard's log.

    granian --interface asgi --port 8100 docs.chatkit_server:app

It reads the settings that `hansard serve` reads, and may run beside it: what is said here is in its lists,
its history and its search, and what is said there is in the threads here. The database has to be migrated:
`hansard migrate` does that, and so does `hansard serve` when it starts.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from chatkit.server import ChatKitServer, NonStreamingResult
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ThreadItemDoneEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)
from litestar import Litestar, Request, Response, post
from litestar.response import Stream

from service.api.answering.problems import details_of
from service.api.chatkit import encode, error_event
from service.chatkit.checking import as_refusals, request_in
from service.chatkit.context import ChatContext
from service.chatkit.store import HansardStore
from service.hansard import running
from service.postgres.opened import opened
from service.settings.settings import Settings


class Counting(ChatKitServer[ChatContext]):
    """Replies with how much was said; yours would ask a model here."""

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: ChatContext
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(
            thread.id, after=None, limit=100, order="desc", context=context
        )
        said = sum(isinstance(item, UserMessageItem) for item in page.data)
        yield ThreadItemDoneEvent(
            item=AssistantMessageItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=datetime.now(),  # noqa: DTZ005 - ChatKit's times are naive
                content=[AssistantMessageContent(text=f"That was message {said} of yours.")],
            )
        )


def user_of(request: Request[Any, Any, Any]) -> str:
    """Here goes your own way to find out who asks. Never believe a header that anybody can send."""
    return request.headers.get("X-User-Id", "ann")


@post("/chatkit", status_code=200)
async def chatkit(request: Request[Any, Any, Any]) -> Response[Any]:
    """What is refused before anything was told is refused as the service does it."""
    body, server = await request.body(), request.app.state.server
    context = ChatContext.of(user_of(request), opportunity=request.headers.get("X-Opportunity-Id"))
    try:
        with as_refusals():
            request_in(body)
            result = await server.process(body, context)
            if isinstance(result, NonStreamingResult):
                return Response(result.json, media_type="application/json")
            events = aiter(result)
            first = await anext(events)
    except Exception as failed:
        return Response(error_event(failed), status_code=details_of(failed).status_code)
    return Stream(to_the_end(first, events), media_type="text/event-stream")


async def to_the_end(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What fails once the answer has begun is its last event."""
    yield first
    try:
        async for event in rest:
            yield event
    except Exception as failed:
        yield b"data: %s\n\n" % encode(error_event(failed))


@asynccontextmanager
async def on_the_log(app: Litestar) -> AsyncIterator[None]:
    settings = Settings.load(os.environ)
    with opened(settings, print) as database:
        async with running(settings, database.dsn) as hansard:
            app.state.server = Counting(HansardStore(hansard))
            yield


app = Litestar([chatkit], lifespan=[on_the_log])
