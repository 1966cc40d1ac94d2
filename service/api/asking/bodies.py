"""A request's body on its way in: it has so long to come, and all of them together so much memory."""

import asyncio
from typing import Final

from litestar.types import HTTPReceiveMessage, HTTPScope, Receive, WebSocketReceiveMessage

from service.api.answering.errors import BodyBrokeOff, BodyTooSlow, TooMuchAtOnce
from service.api.asking.requests import headers_of
from service.settings.settings import FOR_LARGE_BODIES, Settings
from service.store.errors import StoreIsClosed

Received = HTTPReceiveMessage | WebSocketReceiveMessage

SMALL: Final = 65_536
"""Bytes. The others leave some memory to such bodies: an import does not keep a message out."""


class Bodies:
    """Those of the requests that this worker has not answered yet."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.bodies_limit
        self._most_of_large = int(settings.bodies_limit * FOR_LARGE_BODIES)
        self.seconds = settings.body_timeout
        self._held = 0
        self._waiting: set[asyncio.Timeout] = set()
        self._end: float | None = None

    def of(self, scope: HTTPScope, receive: Receive) -> "IncomingBody | None":
        headers = headers_of(scope)
        announced = headers.get(b"content-length", b"0")
        if announced == b"0" and b"transfer-encoding" not in headers:
            return None
        return IncomingBody(self, receive, int(announced) if announced.isdigit() else 0)

    def end_within(self, seconds: float) -> None:
        """Of a stop: what has not come by then is not waited for."""
        self._end = asyncio.get_running_loop().time() + seconds
        for each in self._waiting:
            each.reschedule(min(self._end, each.when() or self._end))

    async def wait(self, receive: Receive, deadline: float) -> Received:
        try:
            async with asyncio.timeout_at(deadline if self._end is None else self._end) as waiting:
                self._waiting.add(waiting)
                try:
                    return await receive()
                finally:
                    self._waiting.discard(waiting)
        except TimeoutError:
            raise BodyTooSlow(limit=self.seconds) if self._end is None else StoreIsClosed() from None

    def hold(self, more: int, size: int) -> None:
        """So many bytes more of a body of this size."""
        if self._held + more > (self._most if size <= SMALL else self._most_of_large):
            raise TooMuchAtOnce
        self._held += more

    def let_go(self, size: int) -> None:
        self._held -= size


class IncomingBody:
    """What one request receives."""

    __slots__ = ("_announced", "_bodies", "_came", "_deadline", "_held", "_is_whole", "_receive")

    def __init__(self, bodies: Bodies, receive: Receive, announced: int) -> None:
        self._bodies = bodies
        self._receive = receive
        self._announced = announced
        self._came = 0
        self._held = 0
        self._is_whole = False
        self._deadline = asyncio.get_running_loop().time() + bodies.seconds

    async def receive(self) -> Received:
        """After the body, the news that the client has gone."""
        if self._is_whole:
            return await self._receive()
        self._hold(self._announced)
        message = await self._bodies.wait(self._receive, self._deadline)
        if message["type"] != "http.request":
            raise BodyBrokeOff
        self._came += len(message["body"])
        self._hold(self._came)
        self._is_whole = not message["more_body"]
        return message

    def end(self) -> None:
        self._bodies.let_go(self._held)

    def _hold(self, size: int) -> None:
        if size > self._held:
            self._bodies.hold(size - self._held, size)
            self._held = size
