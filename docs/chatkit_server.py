"""A ChatKit server of one's own, in a process of its own, whose threads are on Hansard's log.

    granian --interface asgi --port 8100 docs.chatkit_server:app

It reads the settings that `hansard serve` reads, and may run beside it: what is said here is in its lists,
its history and its search, and what is said there is in the threads here.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from chatkit.server import ChatKitServer, StreamingResult
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
    context = ChatContext.of(user_of(request), opportunity=request.headers.get("X-Opportunity-Id"))
    result = await request.app.state.server.process(await request.body(), context)
    if isinstance(result, StreamingResult):
        return Stream(result, media_type="text/event-stream")
    return Response(result.json, media_type="application/json")


@asynccontextmanager
async def on_the_log(app: Litestar) -> AsyncIterator[None]:
    settings = Settings.load(os.environ)
    with opened(settings, print) as database:
        async with running(settings, database.dsn) as hansard:
            app.state.server = Counting(HansardStore(hansard))
            yield


app = Litestar([chatkit], lifespan=[on_the_log])
