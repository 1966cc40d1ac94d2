"""How a worker stops: its replies hear of the signal at once, and who does not read holds up nobody.

Granian waits for every open answer, until it is read, before it ends the lifespan. A stream is open for as
long as its reply, and one whose listener does not read is open for ever.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final

from litestar import Litestar

from service.api.asking.bodies import Bodies
from service.attachment import Attachment

SENDING: Final = 2.0
"""Seconds that those have who are still sending a request."""
READING: Final = 2.0
"""Seconds that those who were answered have to read it."""
STREAMS: Final = (b"text/event-stream", b"application/jsonl", b"application/x-ndjson")


class Stop:
    def __init__(self, attachment: Attachment, bodies: Bodies) -> None:
        self._attachment = attachment
        self._bodies = bodies
        self._open = 0
        """Requests that are being answered. Streams are not among them: they end with their replies."""
        self._leaving: asyncio.Task[None] | None = None
        self._gone = False

    def began(self) -> None:
        self._open += 1

    def ended(self) -> None:
        self._open -= 1

    @asynccontextmanager
    async def heard(self, app: Litestar) -> AsyncIterator[None]:
        """Beside Granian's own handler, which the event loop calls for the same signal."""
        if multiprocessing.parent_process() is None:
            yield
            return
        loop = asyncio.get_running_loop()

        def hear(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._begin)

        signal.signal(signal.SIGTERM, hear)
        yield
        if self._leaving is not None:
            if self._gone:
                await self._leaving
            self._leaving.cancel()

    def _begin(self) -> None:
        self._leaving = self._leaving or asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        """As soon as everybody is answered; Granian does it itself if everybody also reads."""
        self._bodies.end_within(SENDING)
        if self._attachment.is_there:
            self._attachment.hansard.leave()
            await self._attachment.hansard.replies.drain()
        await asyncio.sleep(READING)
        while self._open:  # noqa: ASYNC110 - nothing tells of the last one
            await asyncio.sleep(0.1)
        await asyncio.sleep(READING)
        self._gone = True
        await self._attachment.stop()
        os._exit(0)


def streams(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.startswith(STREAMS) for name, value in headers)
