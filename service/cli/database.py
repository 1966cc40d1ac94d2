"""The database that a command works on, for as long as it does."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.cli.terminal import Say, warn
from service.postgres.opened import opened
from service.settings.settings import Settings
from service.store.connections import Database


@contextmanager
def database_of(settings: Settings, tell: Say = warn) -> Iterator[Database]:
    """The embedded one may have to be made or started first: `tell` is told of it."""
    with opened(settings, tell) as found:
        yield Database.open(found.dsn)
