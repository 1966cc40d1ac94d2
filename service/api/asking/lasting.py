"""Answers that last end with the right to them: when a token runs out, or a key is revoked."""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import psycopg
from litestar.types import Scope
from msgspec import Struct
from psycopg_pool import PoolTimeout

from service.repeating import Repeating
from service.store.errors import StoreUnavailable

LOOK_EVERY: Final = 0.5
"""Seconds: with what a look takes, a stream ends within one."""
SHOWN: Final = "hansard_bearer"
FAILED: Final = "nobody can tell whether the keys of open streams were revoked; they are asked for again"

AWAY: Final = (psycopg.OperationalError, PoolTimeout, StoreUnavailable)

log = logging.getLogger("hansard.api")


class Bearer(Struct, frozen=True):
    """What a request showed to prove who asks: a key, by its digest, or a token, by its end."""

    key: bytes | None = None
    until: float | None = None


class Lasting:
    """The open streams of this worker, by what was shown for them."""

    def __init__(self, is_good: Callable[[Bearer], Awaitable[bool]]) -> None:
        self._is_good = is_good
        self._open: dict[Bearer, set[Callable[[], None]]] = defaultdict(set)

    def begin(self, scope: Scope, cut_off: Callable[[], None]) -> None:
        bearer: Bearer | None = scope["state"].get(SHOWN)
        if bearer is not None:
            self._open[bearer].add(cut_off)

    def end(self, scope: Scope, cut_off: Callable[[], None]) -> None:
        bearer: Bearer | None = scope["state"].get(SHOWN)
        if bearer is not None and cut_off in self._open.get(bearer, ()):
            self._open[bearer].discard(cut_off)
            if not self._open[bearer]:
                del self._open[bearer]

    @asynccontextmanager
    async def looked_after(self, app: Any) -> AsyncIterator[None]:
        """Where nobody can tell, no key's streams end: what cannot be read cannot have been revoked either.
        Tokens are not looked at behind keys, for which the database may be waited for."""
        looking = [
            Repeating(partial(self._look, of_keys), LOOK_EVERY, log, FAILED, passing=AWAY)
            for of_keys in (False, True)
        ]
        for each in looking:
            each.start()
        try:
            yield
        finally:
            for each in looking:
                await each.close()

    async def _look(self, of_keys: bool) -> None:
        for bearer in [bearer for bearer in self._open if (bearer.key is not None) == of_keys]:
            if not await self._is_good(bearer):
                for cut_off in self._open.pop(bearer, ()):
                    cut_off()
