"""Which shards can be reached: whoever needs another one is told so at once, and keeps nobody waiting."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

from service.store.errors import ShardOutOfReach
from service.store.layout import Lanes


class Reach:
    def __init__(self, lanes: Lanes, is_silent: Callable[[int], bool]) -> None:
        """A shard is silent where its server does not even refuse."""
        self._lanes = lanes
        self._is_silent = is_silent

    def expect(self, shard: int) -> None:
        """Connections are shared: on one that waits for a silent server, others would wait behind it."""
        if self._is_silent(shard):
            raise ShardOutOfReach(retry_after=1)

    def lanes(self) -> Iterator[Sequence[int]]:
        """Those that are not silent."""
        return (lane for lane in self._lanes if not self._is_silent(lane[0]))

    async def each(
        self, work: Callable[[Sequence[int]], Awaitable[object]], passing: tuple[type[Exception], ...]
    ) -> None:
        """Does it in each of them, whatever becomes of one; then tells what kept the first from it."""
        kept_from = None
        for lane in self.lanes():
            try:
                await work(lane)
            except passing as failed:
                kept_from = kept_from or failed
        if kept_from is not None:
            raise kept_from

    @property
    def is_whole(self) -> bool:
        return not any(self._is_silent(lane[0]) for lane in self._lanes)
