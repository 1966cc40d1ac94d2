"""`hansard export`: the record, or a part of it, to a file that can be gone on with."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import BinaryIO, Final

from domain.errors import Refusal
from projections.rebuilding.progress import Meter
from service.cli.conversation import OR_BY_NAME, meant
from service.cli.database import database_of
from service.cli.flags import DATABASE, settings_of, takes
from service.cli.terminal import reporting, say
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.migrations import check_migrated
from service.transfer.file.export import export
from service.transfer.file.lines import EVERYTHING, Selection
from service.transfer.file.resume import kept_of

PRIVATE: Final = 0o600
"""What was said is for nobody else to read, whatever the umask says."""


class AlreadyThere(Refusal):
    """{path} is there already: name another file, or go on with it by --resume."""


class NothingToResume(Refusal):
    """Only a file can be gone on with: name it by --out."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="ID", help="this user's conversations only")
    parser.add_argument("--conversation", metavar="ID", help=f"this conversation only; {OR_BY_NAME}")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to; to standard output when no file is named"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the file that an earlier export has begun"
    )
    takes(parser, *DATABASE)


def run(options: Namespace) -> int:
    if options.resume and options.out is None:
        raise NothingToResume
    with database_of(settings_of(options)) as database, reporting() as report:
        selection = selection_of(database, options)
        meter = Meter(report)
        meter.begin("exporting", events_of(database, selection))
        if options.out is None:
            to_standard_output(database, selection, meter)
            return 0
        written = write(database, selection, options.out, meter, options.resume)
    say(f"Exported to {options.out}" if written else f"{options.out} is complete already")
    return 0


def selection_of(database: Database, options: Namespace) -> Selection:
    named = options.conversation
    return Selection(user_id=options.user, conversation_id=None if named is None else meant(database, named))


def events_of(database: Database, selection: Selection) -> int:
    """How many there will be. A part of the record is not counted first: for one user's no other lane is
    asked, which may be out of reach."""
    with database.connect("hansard export") as connection:
        check_migrated(connection)
        return sum(DatabaseLog().heads(connection).values()) if selection == EVERYTHING else 0


def to_standard_output(database: Database, selection: Selection, meter: Meter) -> None:
    for block in export(database, selection, count=meter.count):
        sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()


def opened(path: Path) -> BinaryIO:
    """To go on with, or new."""
    new = 0 if path.exists() else os.O_CREAT | os.O_EXCL
    return os.fdopen(os.open(path, os.O_RDWR | new, PRIVATE), "r+b")


def write(database: Database, selection: Selection, path: Path, meter: Meter, resume: bool) -> bool:
    """Whether there was anything left to write. On the disk when it says so."""
    if path.exists() and not resume:
        raise AlreadyThere(path=path)
    with opened(path) as file:
        kept = kept_of(file, selection)
        os.fchmod(
            file.fileno(), PRIVATE
        )  # also what somebody else has made, once it is known to be an export
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
