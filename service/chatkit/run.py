"""A request that streams, carried out by the server and not by the answer that shows it.

Whoever listens hears it at her own pace. If she goes away, nothing that is being stored is cut off; whether
the reply stops then is for the settings to say.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Final

import anyio

REPLYING: Final = b'data: {"type":"stream_options"'
"""With this event the request itself is stored, and what answers it begins."""
ROOM: Final = 256 * 1024
"""Bytes that may wait for a slow listener; then she is waited for. A reply grows elsewhere, and is stored
without her."""


class ChatKitRun:
    def __init__(self, events: AsyncGenerator[bytes, None], stops: bool) -> None:
        self._stops = stops
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._replying = False
        self._handing_on = False
        self._left = False
        self._failure: Exception | None = None
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._scope = anyio.CancelScope()
        self.work = asyncio.create_task(self._carry_out(events))

    async def begun(self) -> None:
        """Returns with the first event; raises why there is none."""
        await self._more.wait()
        if self._failure is not None and not self._waiting:
            raise self._failure

    async def events(self, patience: float) -> AsyncIterator[bytes]:
        """To the end; an empty one whenever nothing came for so long. Raises what ended them early."""
        while True:
            self._more.clear()
            while self._waiting:
                event = self._waiting.popleft()
                self._size -= len(event)
                self._room.set()
                yield event
            if self.work.done():
                if self._failure is not None:
                    raise self._failure
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._more.wait()
                continue
            yield b""

    def leave(self) -> None:
        """Nobody listens any more."""
        if not self._left and not self.work.done():
            self._left = True
            self._waiting.clear()
            self._room.set()
            if self._stops:
                self._stop()

    def stop(self) -> None:
        """The process stops: who listens hears what is there, and the rest is not waited for."""
        self._stops = self._left = True
        self._room.set()
        self._stop()

    def _stop(self) -> None:
        """Only what answers is cut short: until that begins, the user's own words are on their way."""
        if self._replying and not self._handing_on:
            self._scope.cancel()

    async def _carry_out(self, events: AsyncGenerator[bytes, None]) -> None:
        try:
            with self._scope:
                async with aclosing(events):
                    async for event in events:
                        await self._hand_on(event)
        except Exception as failed:
            self._failure = failed
        finally:
            self.work.get_loop().call_soon(self._more.set)  # when it is done, so that nobody waits for more

    async def _hand_on(self, event: bytes) -> None:
        """A stop must not come here, outside the work that it is meant for, but right after."""
        self._replying = self._replying or event.startswith(REPLYING)
        self._handing_on = True
        if not self._left:
            self._waiting.append(event)
            self._size += len(event)
            self._more.set()
        while self._size > ROOM and not self._left:
            self._room.clear()
            await self._room.wait()
        self._handing_on = False
        if self._left and self._stops:
            self._stop()
