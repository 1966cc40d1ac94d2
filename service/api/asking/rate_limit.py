"""How much one principal may ask: a bucket of requests each, refilled all the time."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from msgspec import Struct

from service.api.answering.errors import TooManyRequests

MOST_BUCKETS: Final = 10_000


class Bucket(Struct):
    left: float
    at: float


class Buckets:
    """A minute's worth of requests may come at once; after that, as many as the minute gives."""

    def __init__(self, a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = a_minute
        self._now = now
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: Hashable) -> None:
        if not self._limit:
            return
        now, rate = self._now(), self._limit / 60
        bucket = self._buckets.setdefault(who, Bucket(self._limit, now))
        self._buckets.move_to_end(who)
        bucket.left = min(self._limit, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1:
            raise TooManyRequests(limit=self._limit, retry_after=math.ceil((1 - bucket.left) / rate))
        bucket.left -= 1
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
