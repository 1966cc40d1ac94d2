"""The database that the settings mean: the one of the DSN, or the embedded one for as long as it is
needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import BadSetting, Settings


class Opened(Struct, frozen=True):
    dsn: str
    owner_dsn: str
    embedded: EmbeddedPostgres | None = None


@contextmanager
def opened(settings: Settings, say: Callable[[str], None]) -> Iterator[Opened]:
    """Commands that run at once on one data folder share its server; the last one stops it."""
    if settings.dsn is not None:
        check(settings.dsn, "HANSARD_DSN")
        check(settings.owner_dsn or settings.dsn, "HANSARD_OWNER_DSN")
        yield Opened(settings.dsn, settings.owner_dsn or settings.dsn)
    else:
        with EmbeddedPostgres(settings.data, say=say) as server:
            yield Opened(server.dsn, server.dsn, server)


def check(dsn: str, source: str) -> None:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # the DSN itself is not shown: it may hold a password
        raise BadSetting(f"{source} is not a DSN; it must be like postgresql://user@host:5432/name") from None
