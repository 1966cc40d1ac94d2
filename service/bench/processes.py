"""Work that is done in a process of its own, and how much memory it took there."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, TypeVar

import psutil
from msgspec import Struct

T = TypeVar("T")

EVERY: Final = 0.05
KILOBYTE: Final = 1 if sys.platform == "darwin" else 1024
"""What the kernel counts a process's largest size in."""


class Apart(Struct, Generic[T], frozen=True):
    """What the work came to, and memory in bytes."""

    result: T
    largest: int
    """Of the process itself, at its largest."""
    together: int
    """Of it and the processes that it started; pages that they share are counted once for each."""


class WorkFailed(Exception):
    """The work in the other process ended without a result; the text says why."""


def apart(work: Callable[..., T], *given: Any) -> Apart[T]:
    """A new interpreter, so that nothing of this one's memory is counted."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=do, args=(theirs, work, given))
    process.start()
    theirs.close()
    together = 0
    try:
        while not ours.poll(EVERY):
            together = max(together, memory(process.pid or 0))
        result, largest = heard(ours)
        return Apart(result, largest, max(together, largest))
    finally:
        end(process)


def do(pipe: Pipe, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    try:
        result = work(*given)
    except KeyboardInterrupt:
        return  # who waits was interrupted too
    except Exception as error:
        pipe.send(WorkFailed(f"{type(error).__name__}: {error}"))
    else:
        pipe.send((result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE))


def heard(pipe: Pipe, longest: float | None = None) -> Any:
    try:
        if not pipe.poll(longest):
            raise WorkFailed(f"the process said nothing for {longest:.0f} s")
        found = pipe.recv()
    except EOFError:
        raise WorkFailed("the process ended without a word") from None
    if isinstance(found, Exception):
        raise found
    return found


def end(process: BaseProcess) -> None:
    """It is given a moment to go by itself, since it may have processes of its own to end."""
    process.join(2)
    if process.is_alive():
        process.terminate()
        process.join(5)
    if process.is_alive():
        process.kill()
        process.join()


def memory(pid: int) -> int:
    """Resident, with all that it started."""
    total = 0
    try:
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        time.sleep(0)
    return total
