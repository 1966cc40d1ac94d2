"""Where it is measured: a PostgreSQL, databases of the measurement's own in it, and logs to measure on."""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from service.bench.logs import Loaded, Shape, bring_up, load
from service.bench.planned import PlannedRecord
from service.hansard import projections_of
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings

Say = Callable[[str], None]


class Place:
    """Of a server that was there before, no database is touched, and these are gone afterwards."""

    def __init__(
        self,
        server: str,
        folder: Path,
        say: Say,
        quick: bool = False,
        events: int | None = None,
        planned: PlannedRecord = PlannedRecord(),  # noqa: B008 - it never changes
        embedded: bool = True,
    ) -> None:
        self.server = server
        self.folder = folder
        self.quick = quick
        self.events = events or (50_000 if quick else 1_000_000)
        """How many messages the large log has."""
        self.planned = planned
        self._embedded = embedded
        self._say = say
        self._began = time.monotonic()
        self._databases: list[str] = []
        self._made = 0
        self._logs: dict[Shape, Loaded] = {}

    @property
    def seconds(self) -> float:
        """How long one side takes in one round, where that can be chosen."""
        return 0.5 if self.quick else 5.0

    def say(self, line: str) -> None:
        self._say(f"[{time.monotonic() - self._began:5.0f} s] {line}")

    def create(self) -> str:
        """A new and empty database."""
        self._made += 1
        name = f"hansard_bench_{os.getpid()}_{self._made}"
        self._command("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", name)
        self._databases.append(name)
        return make_conninfo(self.server, dbname=name)

    @contextmanager
    def database(self) -> Iterator[str]:
        """One that is gone again afterwards."""
        dsn = self.create()
        name = self._databases[-1]
        try:
            yield dsn
        finally:
            self._drop(name)

    def log(self, events: int) -> Loaded:
        """A database whose log has so many messages; subjects share it, and may append to it."""
        shape = Shape.of(events)
        if shape not in self._logs:
            self._logs[shape] = load(self.create(), shape, self.say)
        return self._logs[shape]

    def built(self, events: int) -> Loaded:
        """The same, with all projections, up to the end of the log."""
        log = self.log(events)
        bring_up(log.dsn, projections_of(Settings()), self.say)
        return log

    def close(self) -> None:
        for name in self._databases[:]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._command("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._databases.remove(name)

    def _command(self, statement: str, name: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def words(self) -> str:
        """What it is measured on, without naming the machine."""
        with psycopg.connect(self.server) as connection:
            postgres = (connection.info.parameter_status("server_version") or "").split()[0]
            row = connection.execute("SELECT current_setting('fsync')").fetchone()
        where = f"its own, on {file_system(self.folder)}" if self._embedded else "given by a DSN"
        parts = ", ".join(f"{name} {version(name)}" for name in ("eventsourcing", "psycopg"))
        return (
            f"Hansard {version('hansard')}, Python {platform.python_version()}, {parts}, "
            f"PostgreSQL {postgres} ({where}, fsync {row[0] if row else 'unknown'}), {os.cpu_count()} cores, "
            f"{psutil.virtual_memory().total / 2**30:.0f} GiB, {datetime.now(UTC):%Y-%m-%d}"
        )


@contextmanager
def place(
    dsn: str | None,
    parent: Path | None,
    say: Say,
    quick: bool,
    events: int | None,
    planned: PlannedRecord = PlannedRecord(),  # noqa: B008 - it never changes
) -> Iterator[Place]:
    """On the server of the DSN, or on one that is started for this in a new folder."""
    with tempfile.TemporaryDirectory(prefix="hansard-bench-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another user where Hansard runs as root
        if dsn is not None:
            with closing(Place(dsn, folder, say, quick, events, planned, embedded=False)) as made:
                yield made
            return
        say(f"Starting a PostgreSQL in {folder} ({file_system(folder)})")
        with EmbeddedPostgres(folder / "data") as server:
            yield Place(server.dsn, folder, say, quick, events, planned)


def file_system(folder: Path) -> str:
    """What kind of disk a folder is on: in memory, nothing waits for a disk, and no figure says anything."""
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounts[path] for path in [folder, *folder.resolve().parents] if path in mounts), "unknown")
