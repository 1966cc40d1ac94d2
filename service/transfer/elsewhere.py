"""`hansard import` of what others have kept: a data export of ChatGPT, or an application's own tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from domain.content import Limits
from projections.rebuilding.progress import Meter
from service.cli.terminal import reporting
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import Database
from service.transfer.beginnings import Beginnings
from service.transfer.chatgpt.archive import parts_of
from service.transfer.chatgpt.conversations import conversations
from service.transfer.chatgpt.order import LeftAside
from service.transfer.importing import Destination, destination, import_conversations
from service.transfer.incoming import Incoming, Skipped
from service.transfer.report import TransferReport
from service.transfer.tables.mapping import mapping_from
from service.transfer.tables.source import reading_from
from service.transfer.tables.tables import Tables

Say = Callable[[str], None]


def import_chatgpt(settings: Settings, database: Database, path: Path, user_id: str, say: Say) -> int:
    """Gives back the exit code: 1 if anything was left out."""
    parts = parts_of(path)
    say(f"{path} is taken for a data export of ChatGPT; it has {', '.join(part.name for part in parts[:3])}")
    with arriving(settings, database) as (into, beginnings):
        told = beginnings.found(conversations(parts, user_id, into.limits))
        return imported(into, told, "reading and importing", 0, say)


class Source(Struct, frozen=True):
    """Tables of an application's own."""

    dsn: str
    table: str | None = None
    mapping: Path | None = None
    user_id: str | None = None
    """Whose the rows are of which no column says it."""


def import_tables(settings: Settings, database: Database, source: Source, say: Say) -> int:
    given = mapping_from(source.mapping, source.table)
    with reading_from(source.dsn) as connection, arriving(settings, database) as (into, beginnings):
        tables = Tables(connection, given, source.user_id, into.limits)
        told = beginnings.found(tables.conversations())
        return imported(into, told, "importing", tables.events(), say)


def show_tables(settings: Settings, source: Source, say: Say) -> int:
    """Hansard's own database is not needed for it."""
    given = mapping_from(source.mapping, source.table)
    limits = Limits(message_bytes=settings.message_limit)
    with reading_from(source.dsn) as connection:
        for line in Tables(connection, given, source.user_id, limits=limits).dry_run():
            say(line)
    return 0


@contextmanager
def arriving(settings: Settings, database: Database) -> Iterator[tuple[Destination, Beginnings]]:
    limits = Limits(message_bytes=settings.message_limit)
    with (
        destination(database, projections_of(settings), limits) as into,
        database.connect("hansard import") as connection,
    ):
        yield into, Beginnings(connection, into.store.shards)


def imported(into: Destination, told: Iterator[Incoming | Skipped], stage: str, total: int, say: Say) -> int:
    report, aside = TransferReport(), Aside(told)
    with reporting() as progress:
        meter = Meter(progress)
        meter.begin(stage, total)
        import_conversations(into, aside, meter.count, report)
    for line in report.told():
        say(line)
    return 1 if report.skipped_total > aside.count else 0


class Aside:
    """Hands on what is read, and counts what is left aside by design: that is no failure."""

    def __init__(self, told: Iterator[Incoming | Skipped]) -> None:
        self._told = told
        self.count = 0

    def __iter__(self) -> Iterator[Incoming | Skipped]:
        for each in self._told:
            self.count += isinstance(each, LeftAside)
            yield each
