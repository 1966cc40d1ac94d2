"""ChatKit's own package is loaded when it is needed first: it takes seconds, and half as much memory as all
the rest of the service."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from service.hansard import Hansard
from service.settings.settings import BadSetting

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


def check(where: str) -> None:
    """Says what is wrong with the setting, if anything is."""
    loaded(where)


def loaded(where: str) -> "type[HansardChatKit]":
    from service.chatkit.server import HansardChatKit

    module, _, name = where.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{module}.".startswith(f"{missing.name}."):
            raise wrong(where, f"{module} cannot be imported: {missing}") from missing
        raise wrong(
            where, f"there is no module {missing.name}; PYTHONPATH says where modules are"
        ) from missing
    except (Exception, SystemExit) as broken:
        raise wrong(where, f"{module} cannot be imported: {type(broken).__name__}: {broken}") from broken
    if found is None:
        raise wrong(where, f"{module} has no {name}")
    if not (isinstance(found, type) and issubclass(found, HansardChatKit)):
        raise wrong(where, f"{name} is no subclass of service.chatkit.server.HansardChatKit")
    return found


def wrong(where: str, why: str) -> BadSetting:
    return BadSetting(f"HANSARD_CHATKIT_SERVER is {where!r}, but {' '.join(why.split())}")
