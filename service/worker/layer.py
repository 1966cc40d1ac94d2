"""The one layer around every request: its id, its count, its place in a stop, the record of what is read, and
the headers of its answer."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from service.api.asking.bodies import Bodies
from service.api.asking.lasting import Lasting
from service.api.asking.origins import secured
from service.api.asking.recorded_reads import Recording, refusal
from service.api.asking.requests import (
    RequestIds,
    leaves_a_body_unread,
    take_headers,
    telling_all_methods,
)
from service.api.asking.room import Room
from service.api.metrics import count
from service.attachment import Attachment
from service.store.incarnation import INCARNATION
from service.watch.logs import REQUEST_ID
from service.worker.stop import Stop, streams

BROKEN: Final = 500
"""The status of a request that ends without an answer."""


class Layer:
    """Stands outside of the framework, so that its own refusals are answered in the same way."""

    def __init__(
        self,
        app: ASGIApp,
        attachment: Attachment,
        stop: Stop,
        recording: Recording,
        room: Room,
        bodies: Bodies,
        lasting: Lasting,
    ) -> None:
        self._app = app
        self._attachment = attachment
        self._bodies = bodies
        self._ids = RequestIds()
        self.stop = stop
        self.lasting = lasting
        self.recording = recording
        self.room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return await self._app(scope, receive, send)
        request_id = self._ids.id_for(take_headers(scope))
        body = self._bodies.of(scope, receive)
        exchange = Exchange(self, scope, send, request_id)
        token, incarnation = REQUEST_ID.set(request_id), INCARNATION.set(self._attachment.incarnation)
        try:
            await self._app(scope, receive if body is None else body.receive, exchange.answer)
        except asyncio.CancelledError:
            if not await exchange.was_cut_off():
                raise
        finally:
            INCARNATION.reset(incarnation)
            REQUEST_ID.reset(token)
            if body is not None:
                body.end()
            exchange.end()


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_holds_up_a_stop",
        "_is_cut_off",
        "_layer",
        "_refused",
        "_request_id",
        "_scope",
        "_send",
        "_since",
        "_status",
        "_task",
    )

    def __init__(self, layer: Layer, scope: HTTPScope, send: Send, request_id: str) -> None:
        self._layer = layer
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._since = time.perf_counter()
        self._status = BROKEN
        self._refused = False
        self._is_cut_off = False
        self._task = running()
        self._holds_up_a_stop = True
        layer.stop.began()
        layer.room.enter()

    def answer(self, message: Message) -> Awaitable[None]:
        """What the application sends. Hands on what is awaited, without a step of its own in between."""
        if message["type"] == "http.response.start":
            if message["status"] < 400 and self._layer.recording.concerns(self._scope):
                return self._recorded(message)
            self._begin(message)
        elif self._refused:
            return nothing()
        return self._send(message)

    async def _recorded(self, start: HTTPResponseStartEvent) -> None:
        """The application takes its answer to have begun, so that it could not refuse it any more."""
        try:
            await self._layer.recording.record(self._scope)
        except Exception as failed:
            self._refused = True
            start, body = refusal(failed, self._scope)
            self._begin(start)
            await self._send(start)
            await self._send(body)
        else:
            self._begin(start)
            await self._send(start)

    def _begin(self, start: HTTPResponseStartEvent) -> None:
        self._status = status = start["status"]
        headers = secured(start["headers"])
        headers.append((b"x-request-id", self._request_id.encode()))
        if status >= 400 and leaves_a_body_unread(self._scope):
            headers.append((b"connection", b"close"))
        if self._scope["method"] == "OPTIONS":
            headers = telling_all_methods(headers, self._scope)
        start["headers"] = headers
        if streams(headers):
            self._no_longer_holds_up_a_stop()
            self._layer.lasting.begin(self._scope, self.cut_off)

    def cut_off(self) -> None:
        """The answer ends here, for its listener as if there were no more."""
        self._is_cut_off = True
        self._task.cancel()

    async def was_cut_off(self) -> bool:
        if self._is_cut_off:
            self._task.uncancel()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        return self._is_cut_off

    def end(self) -> None:
        self._layer.lasting.end(self._scope, self.cut_off)
        self._no_longer_holds_up_a_stop()
        self._layer.room.leave(self._scope)
        count(self._scope, self._status, time.perf_counter() - self._since)

    def _no_longer_holds_up_a_stop(self) -> None:
        """A stream does not: it ends with its reply."""
        if self._holds_up_a_stop:
            self._holds_up_a_stop = False
            self._layer.stop.ended()


def running() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is answered in a task")
    return task


async def nothing() -> None:
    """For the rest of an answer that was refused."""
