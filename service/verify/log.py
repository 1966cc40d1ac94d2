"""Reads the whole log, while the service goes on, and tells everything in it that is not as it should be."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Final

from projections.rebuilding.progress import Meter, Progress
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.verify.shard import Verified, reading, verify_lanes, verify_shard

WORTH_PROCESSES: Final = 200_000
"""So many events take longer than it takes to start another process."""
MOST_PROCESSES: Final = 8


def verify_log(database: Database, report: Callable[[Progress], None] = lambda progress: None) -> Verified:
    """Every shard, each as it stood at one moment."""
    meter = Meter(report)
    with reading(database) as connection:
        heads = DatabaseLog().heads(connection)
        found = verify_lanes(connection, heads)
    total = sum(heads.values())
    meter.begin("checking the log", total)
    shards = sorted(heads, key=lambda shard: -heads[shard])
    if total < WORTH_PROCESSES or processes() == 1:
        for verified in one_after_the_other(database, shards, meter.count):
            found += verified
    else:
        for verified in in_processes(database, shards):
            found += verified
            meter.count(verified.events)
    return found


def one_after_the_other(
    database: Database, shards: Sequence[int], count: Callable[[int], None]
) -> Iterator[Verified]:
    with reading(database) as connection:
        for shard in shards:
            yield verify_shard(connection, shard, len(shards), count)


def in_processes(database: Database, shards: Sequence[int]) -> Iterator[Verified]:
    """As many shards at once as there are processors; the largest first, so that none is left to the end."""
    # A new interpreter each: a fork would copy threads' locks, and connections that are not its own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes(), mp_context=context, initializer=end_with_the_others) as pool:
        asked = [pool.submit(verify_alone, database, shard, len(shards)) for shard in shards]
        with dropping(asked):
            for done in as_completed(asked):
                yield done.result()


def verify_alone(database: Database, shard: int, shards: int) -> Verified:
    with reading(database) as connection:
        return verify_shard(connection, shard, shards)


def end_with_the_others() -> None:
    """A Ctrl-C, which reaches all of them, ends this process at once; so does the death of the first one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dropping(asked: Sequence[Future[Verified]]) -> Iterator[None]:
    try:
        yield
    finally:
        for each in asked:
            each.cancel()


def processes() -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES)
