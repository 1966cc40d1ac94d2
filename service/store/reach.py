"""Which shards can be reached: whoever needs another one is told so at once, and keeps nobody waiting."""

from collections.abc import Callable, Iterator, Sequence

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

    @property
    def is_whole(self) -> bool:
        return not any(self._is_silent(lane[0]) for lane in self._lanes)
