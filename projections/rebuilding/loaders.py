"""Fills builds from many shards at once, in several processes: each folds on a core of its own."""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from psycopg import Connection

from projections.log import Log
from projections.rebuilding.loading import Build, LoadLimits, ShardLoader

Connect = Callable[[], Connection[Any]]
Report = Callable[[int], None]

MOST_PROCESSES: Final = 4
"""PostgreSQL needs some cores, too."""


class LoaderFailed(Exception):
    """A process that filled tables ended before its work was done."""


def processes_here() -> int:
    """As many as this machine has cores for."""
    return min(os.cpu_count() or 1, MOST_PROCESSES)


def load_shards(
    connect: Connect,
    log: Log,
    builds: Sequence[Build],
    shards: Iterable[int],
    report: Report,
    limits: LoadLimits,
    processes: int,
) -> None:
    """Everything that is in the log of these shards; `report` is told of events as they are taken."""
    if processes > 1:
        Loaders(connect, log, builds, report, limits).load(list(shards), processes)
    else:
        with connect() as connection:
            connection.autocommit = True
            with uncollected():
                for shard in shards:
                    ShardLoader(connection, log, builds, shard, report, limits).load()


@contextmanager
def uncollected() -> Iterator[None]:
    """Events and rows never refer to themselves: looking for cycles among millions of them finds nothing.
    In a thread beside others it is not this one's to say: what they leave behind has to be found."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Loaders:
    """Hands out shards to processes, the next whenever one is done."""

    def __init__(
        self, connect: Connect, log: Log, builds: Sequence[Build], report: Report, limits: LoadLimits
    ) -> None:
        self._given = (connect, log, tuple(builds), limits)
        self._report = report
        self._running: dict[Pipe, BaseProcess] = {}

    def load(self, shards: list[int], processes: int) -> None:
        try:
            for _ in range(min(processes, len(shards))):
                self._start().send(shards.pop(0))
            while self._running:
                for pipe in wait(list(self._running)):
                    assert isinstance(pipe, Pipe)  # noqa: S101 - nothing else was waited for
                    self._hear(pipe, shards)
        finally:
            for process in self._running.values():
                process.terminate()
                process.join()

    def _start(self) -> Pipe:
        # A new interpreter each: a fork would copy threads' locks, and connections that are not its own.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(*self._given, theirs), daemon=True)
        process.start()
        theirs.close()
        self._running[ours] = process
        return ours

    def _hear(self, pipe: Pipe, shards: list[int]) -> None:
        try:
            heard = pipe.recv()
        except EOFError:
            heard = LoaderFailed("a process that filled tables was ended")
        if isinstance(heard, Exception):
            raise heard
        if heard is not None:
            self._report(heard)
        elif shards:
            pipe.send(shards.pop(0))
        else:
            pipe.send(None)
            self._running.pop(pipe).join()


def work(connect: Connect, log: Log, builds: Sequence[Build], limits: LoadLimits, pipe: Pipe) -> None:
    """One process: loads each shard that it is told, says how many events it took, and None at the end.

    If the process that asked is gone, saying so fails, and the transaction under way is rolled back.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked is interrupted too, and ends this one
    try:
        with connect() as connection, uncollected():
            connection.autocommit = True
            while (shard := pipe.recv()) is not None:
                ShardLoader(connection, log, builds, shard, pipe.send, limits).load()
                pipe.send(None)
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send(LoaderFailed(f"{type(error).__name__}: {error}"))
