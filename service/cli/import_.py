"""`hansard import`: what `hansard export` has written, what ChatGPT has, or an application's own tables."""

import sys
import tempfile
import zipfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Literal

from domain.content import Limits
from domain.errors import Refusal
from projections.rebuilding.progress import Meter
from service.cli.database import database_of
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import reporting, say
from service.hansard import projections_of
from service.settings.settings import BadSetting, Settings
from service.store.connections import Database
from service.transfer.beginnings import Beginnings
from service.transfer.chatgpt.archive import parts_of
from service.transfer.chatgpt.conversations import conversations
from service.transfer.chatgpt.order import LeftAside
from service.transfer.file.lines import FORMAT
from service.transfer.file.read import Reader
from service.transfer.importing import Destination, destination, import_conversations, import_pieces
from service.transfer.incoming import Incoming, Skipped
from service.transfer.report import TransferReport
from service.transfer.tables.mapping import mapping_from
from service.transfer.tables.source import reading_from
from service.transfer.tables.tables import Tables

STANDARD: Final = "-"
COPY: Final = 1024 * 1024
A_LOOK: Final = 1 << 16
"""Bytes: more than any conversation needs to name its fields."""

Format = Literal["hansard", "chatgpt"]


class UnknownFormat(Refusal):
    """{path} is nothing that can be imported: {what}. What can be is an export of Hansard (JSONL), a data
    export of ChatGPT (its zip, its folder or its conversations.json), and tables, by --from-dsn."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="what `hansard export` has written (- is standard input), or a data export of ChatGPT",
    )
    parser.add_argument(
        "--user",
        metavar="ID",
        help="make all of it this user's, whoever's it was; of tables, what has no user",
    )
    parser.add_argument(
        "--unchecked", action="store_true", help="import what there is of a file that was cut off or edited"
    )

    tables = parser.add_argument_group("from an application's own tables")
    tables.add_argument("--from-dsn", metavar="DSN", help="their database, which is only read")
    tables.add_argument(
        "--table",
        metavar="NAME",
        help="chat_messages, chat_message, chatkit_thread_items, or any that is mapped",
    )
    tables.add_argument(
        "--mapping", type=Path, metavar="FILE", help="which column is what, in TOML; guessed when not given"
    )
    tables.add_argument(
        "--dry-run", action="store_true", help="show the mapping and what would come, and import nothing"
    )
    takes(parser, *DATABASE, "message_limit", *SHAPING)


def run(options: Namespace) -> int:
    """Gives back the exit code: 1 if anything was left out."""
    must_go_together(options)
    settings = settings_of(options)
    if options.dry_run:
        return show_tables(options, limits_of(settings))
    of_chatgpt = options.file not in (None, STANDARD) and format_of(Path(options.file)) == "chatgpt"
    if of_chatgpt and options.user is None:
        raise BadSetting(f"{options.file} is a data export of ChatGPT: --user must say whose it becomes")
    with database_of(settings, say) as database:
        if options.from_dsn is not None:
            return import_tables(settings, database, options)
        if of_chatgpt:
            return import_chatgpt(settings, database, Path(options.file), options.user)
        return import_file(settings, database, options)


def must_go_together(options: Namespace) -> None:
    if (options.file is None) == (options.from_dsn is None):
        raise BadSetting("import takes either a FILE or --from-dsn")
    if options.from_dsn is None and (options.table or options.mapping or options.dry_run):
        raise BadSetting("--table, --mapping and --dry-run are for tables, so they need a --from-dsn")


def limits_of(settings: Settings) -> Limits:
    return Limits(message_bytes=settings.message_limit)


def format_of(path: Path) -> Format:
    if path.is_dir():
        return "chatgpt"
    try:
        with path.open("rb") as file:
            head = file.read(A_LOOK)
    except OSError as error:
        raise UnknownFormat(path=path, what=f"it cannot be read ({error.strerror})") from None
    if zipfile.is_zipfile(path):
        return "chatgpt"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if FORMAT.encode() in text.partition(b"\n")[0]:
        return "hansard"
    if text.startswith(b"[") or (text.startswith(b"{") and b'"mapping"' in text):
        return "chatgpt"
    raise UnknownFormat(path=path, what=f"it begins with {text[:20]!r}" if text else "it is empty")


def import_file(settings: Settings, database: Database, options: Namespace) -> int:
    limits, report = limits_of(settings), TransferReport()
    with readable(options.file) as file, reporting() as progress:
        reader = Reader(file, limits, options.user)
        meter = Meter(progress)
        meter.begin("checking the file")
        checked = reader.check(report, options.unchecked)
        meter.begin("importing", checked.events)
        with destination(database, projections_of(settings), limits) as into:
            import_pieces(into, reader.pieces(checked), meter.count, report)
    return tell(report)


@contextmanager
def readable(path: str) -> Iterator[BinaryIO]:
    """What comes by a pipe is put by first, for it is read twice."""
    if path == STANDARD:
        with tempfile.TemporaryFile() as file:
            while block := sys.stdin.buffer.read(COPY):
                file.write(block)
            yield file
    else:
        with Path(path).open("rb") as found:
            yield found


def import_chatgpt(settings: Settings, database: Database, path: Path, user_id: str) -> int:
    parts = parts_of(path)
    say(f"{path} is taken for a data export of ChatGPT; it has {', '.join(part.name for part in parts[:3])}")
    with arriving(settings, database) as (into, beginnings):
        told = beginnings.found(conversations(parts, user_id, into.limits))
        return import_told(into, told, "reading and importing", 0)


def import_tables(settings: Settings, database: Database, options: Namespace) -> int:
    given = mapping_from(options.mapping, options.table)
    with reading_from(options.from_dsn) as connection, arriving(settings, database) as (into, beginnings):
        tables = Tables(connection, given, options.user, into.limits)
        told = beginnings.found(tables.conversations())
        return import_told(into, told, "importing", tables.events())


def show_tables(options: Namespace, limits: Limits) -> int:
    """Hansard's own database is not needed for it."""
    given = mapping_from(options.mapping, options.table)
    with reading_from(options.from_dsn) as connection:
        for line in Tables(connection, given, options.user, limits=limits).dry_run():
            say(line)
    return 0


@contextmanager
def arriving(settings: Settings, database: Database) -> Iterator[tuple[Destination, Beginnings]]:
    with (
        destination(database, projections_of(settings), limits_of(settings)) as into,
        database.connect("hansard import") as connection,
    ):
        yield into, Beginnings(connection, into.store.shards)


def import_told(into: Destination, told: Iterator[Incoming | Skipped], stage: str, total: int) -> int:
    report, aside = TransferReport(), Aside(told)
    with reporting() as progress:
        meter = Meter(progress)
        meter.begin(stage, total)
        import_conversations(into, aside, meter.count, report)
    return tell(report, aside.count)


class Aside:
    """Hands on what is read, and counts what is left aside by design: that is no failure."""

    def __init__(self, told: Iterator[Incoming | Skipped]) -> None:
        self._told = told
        self.count = 0

    def __iter__(self) -> Iterator[Incoming | Skipped]:
        for each in self._told:
            self.count += isinstance(each, LeftAside)
            yield each


def tell(report: TransferReport, left_aside: int = 0) -> int:
    for line in report.told():
        say(line)
    return 1 if report.skipped_total > left_aside else 0
