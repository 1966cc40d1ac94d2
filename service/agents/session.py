"""A session of the Agents SDK on Hansard's record, with OpenAI's own client and nothing else in between.

An agent is shown what was added since its session was last cleared or compacted. What that hides stays on the
record.
"""

import asyncio
from copy import deepcopy
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from openai import AsyncOpenAI

from service.agents.record import Item, Record

if TYPE_CHECKING:
    from agents import SessionSettings, TResponseInputItem

CLEARED: Final[Item] = {"type": "session_cleared"}
"""The item that hides from the agent what is before it."""


class HansardSession:
    """The client says whose it is: by a user's token, or by a service key and the header X-User-Id."""

    def __init__(
        self, session_id: str, client: AsyncOpenAI, session_settings: "SessionSettings | None" = None
    ) -> None:
        """The id is a name of your own, or the id of a conversation that there is."""
        if session_id in ("", ".", "..") or "/" in session_id:
            raise ValueError(f"A session's id is text that a path can hold, without a slash: {session_id!r}")
        self.session_id = session_id
        self.session_settings = session_settings
        self._record = Record(client, session_id)
        self._one_at_a_time = asyncio.Lock()
        self._in_doubt: tuple[list[Item], str] | None = None

    async def get_items(self, limit: int | None = None) -> "list[TResponseInputItem]":
        """The newest, oldest first."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        async with self._one_at_a_time:
            found = (await self._record.newest(limit, is_cleared))[::-1]
            if found and self._in_doubt is not None and ends_alike(found, self._in_doubt[0]):
                self._in_doubt = None
        return cast("list[TResponseInputItem]", found)

    async def add_items(self, items: "list[TResponseInputItem]") -> None:
        """All of them or none, up to a thousand. Added once more after a failure that left open whether they
        were stored, they are not stored twice; unless they were read in between, and so are known to be."""
        if items:
            async with self._one_at_a_time:
                await self._add(cast(list[Item], items))

    async def pop_item(self) -> "TResponseInputItem | None":
        """The last one, removed: no agent and no client is shown it again, and the log still tells of it."""
        async with self._one_at_a_time:
            last = await self._record.last()
            if last is None or is_cleared(last[0]):
                return None
            item, item_id = last
            self._in_doubt = None
            await self._record.remove(item_id, str(uuid4()))
            return cast("TResponseInputItem", item)

    async def clear_session(self) -> None:
        """Hides everything from the agent. What is to be gone from the record has to be deleted there."""
        async with self._one_at_a_time:
            if await self._record.newest(1, is_cleared):
                await self._add([CLEARED])

    async def replace_items(self, items: "list[TResponseInputItem]") -> None:
        """From now on the agent is shown these instead of all that was before; up to 999 in one step."""
        async with self._one_at_a_time:
            await self._add([CLEARED, *cast(list[Item], items)])

    async def _atomic_replace_items(self, items: "list[TResponseInputItem]") -> bool:
        """By this name the Agents SDK's compaction finds it."""
        await self.replace_items(items)
        return True

    async def _add(self, items: list[Item]) -> None:
        before, key = self._in_doubt or ([], "")
        if before != items:
            key = str(uuid4())
        self._in_doubt = (deepcopy(items), key)
        await self._record.add(items, key)
        self._in_doubt = None


def ends_alike(found: list[Item], added: list[Item]) -> bool:
    """As far as either goes back."""
    seen = min(len(found), len(added))
    return found[-seen:] == added[-seen:]


def is_cleared(item: Item) -> bool:
    return bool(item.get("type") == CLEARED["type"])
