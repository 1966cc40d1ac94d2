"""ChatKit's own package is loaded when it is needed first: it takes seconds, and half as much memory as all
the rest of the service."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from service.hansard import Hansard

if TYPE_CHECKING:
    from service.chatkit.server import HansardChatKit


class ChatKit:
    """The server of one process, as soon as somebody asks for it."""

    def __init__(self, hansard: Hansard) -> None:
        self._hansard = hansard
        self._lock = asyncio.Lock()
        self._server: HansardChatKit | None = None

    async def server(self) -> "HansardChatKit":
        """In a thread, so that nobody else waits; once, however many ask."""
        async with self._lock:
            if self._server is None:
                kind = await asyncio.to_thread(loaded, self._hansard.settings.chatkit_server)
                self._server = kind(self._hansard)
            return self._server


def loaded(where: str) -> "type[HansardChatKit]":
    module, _, name = where.partition(":")
    found: type[HansardChatKit] = getattr(import_module(module), name)
    return found
