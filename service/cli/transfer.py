"""`hansard export` and `hansard import`: files out of the record and into it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from domain.content import Limits
from domain.errors import Refusal
from projections.rebuilding.progress import Meter
from service.cli.terminal import Say, reporting
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.migrations import check_migrated
from service.transfer.file.export import export
from service.transfer.file.lines import Selection
from service.transfer.file.read import Reader
from service.transfer.file.resume import kept_of
from service.transfer.importing import destination, import_pieces
from service.transfer.report import TransferReport

STANDARD: Final = "-"
COPY: Final = 1024 * 1024


class AlreadyThere(Refusal):
    """{path} is there already: name another file, or go on with it by --resume."""


class NothingToResume(Refusal):
    """Only a file can be gone on with: name it by --out."""


class NoSuchFile(Refusal):
    """{path} cannot be read: {why}."""


def export_to(
    database: Database, selection: Selection, out: str | None, say: Say, resume: bool = False
) -> int:
    """To standard output where no file is named."""
    if resume and out is None:
        raise NothingToResume
    with database.connect("hansard export") as connection:
        check_migrated(connection)
        total = sum(DatabaseLog().heads(connection).values())
    with reporting() as report:
        meter = Meter(report)
        meter.begin("exporting", total if selection == Selection() else 0)
        if out is None:
            for block in export(database, selection, count=meter.count):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            return 0
        written = write(database, selection, Path(out), meter, resume)
    say(f"Exported to {out}" if written else f"{out} is complete already")
    return 0


def write(database: Database, selection: Selection, path: Path, meter: Meter, resume: bool) -> bool:
    """Whether there was anything left to write. On the disk when it says so."""
    if path.exists() and not resume:
        raise AlreadyThere(path=path)
    with path.open("r+b" if path.exists() else "x+b") as file:
        kept = kept_of(file, selection)
        if kept.complete:
            return False
        file.seek(kept.size)
        file.truncate()
        if kept.tally is not None:
            meter.count(kept.tally.events)
        for block in export(database, kept.selection, kept.tally, meter.count):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return True


def import_from(
    settings: Settings,
    database: Database,
    path: str,
    say: Say,
    user_id: str | None = None,
    unchecked: bool = False,
) -> int:
    """Gives back the exit code: 1 if anything was left out."""
    limits = Limits(message_bytes=settings.message_limit)
    report = TransferReport()
    with opened(path) as file, reporting() as progress:
        reader = Reader(file, limits, user_id)
        meter = Meter(progress)
        meter.begin("checking the file")
        checked = reader.check(report, unchecked)
        meter.begin("importing", checked.events)
        with destination(database, projections_of(settings), limits) as into:
            import_pieces(into, reader.pieces(checked), meter.count, report)
    for line in report.told():
        say(line)
    return 1 if report.skipped_total else 0


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """What comes by a pipe is put by first, for it is read twice."""
    if path == STANDARD:
        with tempfile.TemporaryFile() as file:
            while block := sys.stdin.buffer.read(COPY):
                file.write(block)
            yield file
        return
    try:
        found: Any = Path(path).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise NoSuchFile(path=path, why=error.strerror) from error
    with found:
        yield found
