"""Looks for tags before an append is asked for: once it has the lane's lock, everybody waits for it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from domain.events import Event, MessageAdded, MessageRevised
from projections.history import History
from projections.projection import Projection
from service.store.append import Stored, stored_event

LONG: Final = 16_384
"""Characters; a longer text is looked at in a thread, so that nobody else's request waits for it."""

FindTags = Callable[[str], Sequence[str]]


def find_tags_of(projections: Iterable[Projection]) -> FindTags | None:
    """As the projection that shows them would; None where there are no taggers."""
    for projection in projections:
        if isinstance(projection, History) and projection.taggers:
            return projection.taggers.find
    return None


class Tagging:
    """Of one command, which may have to be decided more than once: each text is looked at once."""

    def __init__(self, find: FindTags | None) -> None:
        self._find = find
        self._found: dict[str, Sequence[str]] = {}

    async def stored(self, events: Iterable[Event]) -> list[Stored]:
        return [stored_event(event, tags=await self._tags(event)) for event in events]

    async def _tags(self, event: Event) -> Sequence[str] | None:
        if self._find is None or not isinstance(event, MessageAdded | MessageRevised):
            return None
        text = event.content
        if text not in self._found:
            self._found[text] = await look(self._find, text)
        return self._found[text]


async def look(find: FindTags, text: str) -> Sequence[str]:
    return find(text) if len(text) < LONG else await asyncio.to_thread(find, text)


def tagged(stored: Stored, find: FindTags | None) -> Stored:
    """The same for who has no event loop to keep free."""
    if find is None or not isinstance(stored.event, MessageAdded | MessageRevised):
        return stored
    return replace(stored, tags=find(stored.event.content))
