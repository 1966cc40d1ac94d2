"""Every item gets an id of its own before anybody sees it.

A model by Chat Completions gives all its messages and tool calls one id, and ChatKit's helper hands it on:
two replies would be one item.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

from agents.models.fake_id import FAKE_RESPONSES_ID
from chatkit.store import StoreItemType
from chatkit.types import (
    ClientToolCallItem,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

NOBODYS: Final = FAKE_RESPONSES_ID
Generate = Callable[[StoreItemType], str]


async def with_own_ids(
    events: AsyncIterator[ThreadStreamEvent], generate: Generate
) -> AsyncIterator[ThreadStreamEvent]:
    given = GivenIds(generate)
    async for event in events:
        for own in given.own(event):
            yield own


class GivenIds:
    def __init__(self, generate: Generate) -> None:
        self._generate = generate
        self._open: str | None = None
        """The item that was added under no id of its own, and is not done."""
        self._all: list[str] = []

    def own(self, event: ThreadStreamEvent) -> list[ThreadStreamEvent]:
        match event:
            case ThreadItemAddedEvent(item=item) if item.id == NOBODYS:
                self._open = self._new(item)
                return [ThreadItemAddedEvent(item=item.model_copy(update={"id": self._open}))]
            case ThreadItemDoneEvent(item=item) if item.id == NOBODYS:
                own = self._new(item) if isinstance(item, ClientToolCallItem) else self._last(item)
                if own == self._open:
                    self._open = None
                return [ThreadItemDoneEvent(item=item.model_copy(update={"id": own}))]
            case ThreadItemReplacedEvent(item=item) if item.id == NOBODYS:
                return [ThreadItemReplacedEvent(item=item.model_copy(update={"id": self._last(item)}))]
            case ThreadItemUpdatedEvent(item_id=item_id) if item_id == NOBODYS and self._all:
                return [event.model_copy(update={"item_id": self._open or self._all[-1]})]
            case ThreadItemRemovedEvent(item_id=item_id) if item_id == NOBODYS:
                gone, self._all, self._open = self._all, [], None
                return [ThreadItemRemovedEvent(item_id=each) for each in gone]
        return [event]

    def _last(self, item: ThreadItem) -> str:
        return self._open or self._new(item)

    def _new(self, item: ThreadItem) -> str:
        self._all.append(self._generate("tool_call" if isinstance(item, ClientToolCallItem) else "message"))
        return self._all[-1]
