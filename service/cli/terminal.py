"""The one line that shows how far a long command has come, to a person who watches."""

import shutil
import sys
from types import TracebackType
from typing import Final, Self, TextIO

from projections.rebuilding.progress import Progress

WIDTH: Final = 24
CLEAR: Final = "\r\x1b[K"


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

    def __call__(self, progress: Progress) -> None:
        self._write(CLEAR + line_of(progress)[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        if self._shown:
            self._stream.write(text)
            self._stream.flush()


def line_of(progress: Progress) -> str:
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
