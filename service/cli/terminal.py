"""What commands say to whoever has typed them: results, warnings, and how far a long one has come."""

import shutil
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

if TYPE_CHECKING:
    from projections.rebuilding.progress import Progress, Report

LINE_EVERY: Final = 10.0
WIDTH: Final = 24
CLEAR: Final = "\r\x1b[K"

Say = Callable[[str], None]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def warn(line: str) -> None:
    sys.stderr.write(f"hansard: {line}\n")
    sys.stderr.flush()


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is not a whole number, 1 or more")
    return int(text)


def counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


@contextmanager
def reporting() -> Iterator["Report"]:
    """A bar for a person who watches; now and then a line for a log."""
    if sys.stderr.isatty():
        with Bar() as bar:
            yield bar
    else:
        yield Lines(sys.stderr)


class Bar:
    """Takes reports of progress; shows them if the stream is a terminal, and leaves no trace at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(CLEAR)

    def __call__(self, progress: "Progress") -> None:
        self._write(CLEAR + line_of(progress)[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        if self._shown:
            self._stream.write(text)
            self._stream.flush()


class Lines:
    """For a log: one at each stage, and one every ten seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._stage = ""
        self._due = 0.0

    def __call__(self, progress: "Progress") -> None:
        if progress.stage != self._stage or self._clock() >= self._due:
            self._stage, self._due = progress.stage, self._clock() + LINE_EVERY
            self._stream.write(" ".join(words_of(progress)) + "\n")
            self._stream.flush()


def line_of(progress: "Progress") -> str:
    if not progress.total:
        return f"{progress.stage} …"
    share = min(1.0, progress.done / progress.total)
    filled = round(share * WIDTH)
    bar = "█" * filled + "░" * (WIDTH - filled)
    left = f"{minutes(progress.seconds_left)} left" if progress.seconds_left is not None else ""
    return (
        f"{progress.stage}  {bar} {share:4.0%}  "
        f"{progress.done:,}/{progress.total:,}  {progress.per_second:,.0f}/s  {left}"
    ).rstrip()


def minutes(seconds: float) -> str:
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    if hours:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{rest // 60}:{rest % 60:02}"


def words_of(progress: "Progress") -> Iterable[str]:
    yield progress.stage
    if progress.total:
        yield f"{progress.done:,} of {progress.total:,} events"
    if progress.per_second:
        yield f"at {progress.per_second:,.0f} a second"
    if progress.per_second and progress.seconds_left is not None:
        yield f"with {progress.seconds_left:,.0f} s left"
