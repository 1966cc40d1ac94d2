"""Server-sent events: a reply as it is given, with an id on every event from which any worker can go on."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import anyio
import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send
from msgspec import Struct

from service.api.answering.errors import RecordRestored
from service.api.answering.problems import details_of
from service.replies.errors import NotAPlace
from service.replies.reply import Reply
from service.store.incarnation import INCARNATION

HEARTBEAT: Final = b": the reply is under way\n\n"
HEARTBEAT_EVERY: Final = 15.0
"""Seconds; whatever stands between takes a connection that is silent for longer for a dead one."""
COME_BACK_AFTER: Final = 1_000
"""Milliseconds until a browser that was cut off asks again."""
END: Final = "end"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

PLACE: Final = re.compile(
    r"(?P<reply>.+):(?P<offset>[0-9]{1,9}|end)(?:\.(?P<incarnation>[0-9a-f]{8}))?", re.ASCII | re.DOTALL
)

encode: Final = msgspec.json.Encoder().encode
Tell = Callable[[Reply], Awaitable[Struct]]


class StreamPlace(Struct, frozen=True):
    """In the stream of a reply, as an event's id says it: so many characters were heard."""

    reply_id: str
    offset: int | None
    """None: to the end, and what became of it too."""

    def __str__(self) -> str:
        place = f"{self.reply_id}:{END if self.offset is None else self.offset}"
        incarnation = INCARNATION.get()
        return f"{place}.{incarnation}" if incarnation else place


class Began(Struct, frozen=True):
    session_id: str
    message_id: str
    reply_id: str


class Delta(Struct, frozen=True):
    text: str


def place_in(last_event_id: str) -> StreamPlace:
    found = PLACE.fullmatch(last_event_id)
    if found is None or "\0" in found["reply"]:
        raise NotAPlace
    if (found["incarnation"] or "") != INCARNATION.get():
        raise RecordRestored(what="This Last-Event-ID")
    return StreamPlace(found["reply"], None if found["offset"] == END else int(found["offset"]))


async def events_of(reply: Reply, offset: int, tell: Tell) -> AsyncIterator[bytes]:
    """All that comes after the offset. Without an end when this process stops: another one goes on."""
    began = Began(str(reply.conversation_id), reply.question_id, reply.id)
    yield b"retry: %d\n" % COME_BACK_AFTER + event("session", StreamPlace(reply.id, offset), began)
    async for piece in reply.pieces(offset, HEARTBEAT_EVERY):
        offset += len(piece)
        yield event("delta", StreamPlace(reply.id, offset), Delta(piece)) if piece else HEARTBEAT
    if not reply.left:
        yield await last_of(reply, tell)


async def last_of(reply: Reply, tell: Tell) -> bytes:
    end = StreamPlace(reply.id, None)
    try:
        return event("done", end, await tell(reply))
    except Exception as failed:  # the answer has begun, so that its status says nothing any more
        return event("error", end, problem_of(failed))


def event(name: str, place: StreamPlace | str, data: Any) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), str(place).encode(), encode(data))


def problem_of(failed: Exception) -> dict[str, Any]:
    told = details_of(failed)
    extra = told.extra if isinstance(told.extra, dict) else {}
    known = {"type": told.type_, "title": told.title, "status": told.status_code, "detail": told.detail}
    return known | extra


class EventStream(ASGIResponse):
    """Ends with its events, or when its listener goes away; neither waits for the other."""

    _should_set_content_length = False

    def __init__(self, events: AsyncIterator[bytes], media_type: str = "text/event-stream") -> None:
        super().__init__(media_type=media_type, headers=HEADERS)
        self._events = events

    async def send_body(self, send: Send, receive: Receive) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_it_is_gone, receive, tasks.cancel_scope)
            async for chunk in self._events:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            tasks.cancel_scope.cancel()

    async def _until_it_is_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()
