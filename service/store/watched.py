"""Who watches a shard in this process, and how far they have been told of it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from msgspec import Struct

MOST_UNHEARD: Final = 1_000
"""Changes that are kept for somebody who takes none; after that they hear that some are missing."""
ERASED: Final = "conversation_erased"


class Change(Struct, frozen=True):
    position: int
    conversation_id: UUID
    version: int
    topic: str
    user_id: str | None
    """None once its conversation is erased."""

    @property
    def name(self) -> str:
        """The topic without its version."""
        return self.topic.partition(".")[0]

    def concerns(self, user_id: str) -> bool:
        """Of an erased conversation nobody can tell any more whose it was."""
        return self.user_id == user_id or (self.user_id is None and self.name == ERASED)


class Missed(Struct, frozen=True):
    """What happened up to this position is not told one by one."""

    position: int


Heard = Sequence[Change | Missed]


class Watcher:
    """One who hears of one user's changes."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.since = 0
        """What came after this position is told from here; what came before has to be read."""
        self._unheard: list[Change | Missed] = []
        self._stirred = asyncio.Event()

    def tell(self, change: Change) -> None:
        if len(self._unheard) >= MOST_UNHEARD:
            self._unheard = [Missed(change.position)]
        else:
            self._unheard.append(change)
        self._stirred.set()

    def stir(self) -> None:
        self._stirred.set()

    async def heard(self, patience: float) -> Heard:
        """What was told since; nothing after so long a silence, or when there is no more to wait for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._stirred.wait()
        self._stirred.clear()
        heard, self._unheard = self._unheard, []
        return heard


class WatchedShard:
    """Those who watch one shard. All of them have been told of it up to the same position."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.reached: int | None = None
        """None until its end was looked up."""
        self._begun = asyncio.Event()
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)

    def __bool__(self) -> bool:
        return bool(self._watchers)

    async def has_begun(self, patience: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._begun.wait()
        return self._begun.is_set()

    def leave(self) -> None:
        """There is nothing to wait for any more."""
        self._begun.set()
        for each in self.everybody():
            each.stir()

    def everybody(self) -> Iterable[Watcher]:
        return (each for hers in self._watchers.values() for each in hers)

    def join(self, watcher: Watcher) -> None:
        self._watchers[watcher.user_id].add(watcher)
        watcher.since = self.reached or 0

    def part(self, watcher: Watcher) -> None:
        self._watchers[watcher.user_id].discard(watcher)
        if not self._watchers[watcher.user_id]:
            del self._watchers[watcher.user_id]

    def begin(self, head: int) -> None:
        self.reached = head
        for each in self.everybody():
            each.since = head
        self._begun.set()

    def tell(self, change: Change) -> bool:
        """Whether it is the next one, or was told before; if not, something has come in between."""
        if self.reached is None or change.position > self.reached + 1:
            return False
        if change.position == self.reached + 1:
            self.reached = change.position
            hearing = self.everybody() if change.user_id is None else self._watchers.get(change.user_id, ())
            for each in hearing:
                if change.concerns(each.user_id):
                    each.tell(change)
        return True
