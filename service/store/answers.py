"""Tells whoever waits for an append what became of it, in the event loop or the thread where they wait."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future

from service.store.append import Append, Appended

log = logging.getLogger("hansard.writer")

Waiting = asyncio.Future[Appended] | Future[Appended]


def answer(appends: Iterable[Append]) -> None:
    """One call into each event loop for all of its appends."""
    loops: dict[asyncio.AbstractEventLoop, list[Append]] = defaultdict(list)
    for append in appends:
        append.based_on = None
        if isinstance(append.waiting, Future):
            settle(append)
        elif append.waiting is not None:
            loops[append.waiting.get_loop()].append(append)
    for loop, theirs in loops.items():
        try:
            loop.call_soon_threadsafe(settle_all, theirs)
        except RuntimeError:
            log.warning("%d appends were stored after their event loop had closed", len(theirs))


def settle_all(appends: Iterable[Append]) -> None:
    for append in appends:
        settle(append)


def settle(append: Append) -> None:
    waiting, append.waiting = append.waiting, None
    if waiting is None or waiting.done():
        return
    if isinstance(append.outcome, Appended):
        waiting.set_result(append.outcome)
    else:
        waiting.set_exception(append.outcome)
