"""`hansard serve`: the folder locked, the port free, the database up and migrated, and then the workers."""

import os
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from types import FrameType

import msgspec

from domain.errors import Refusal
from service.cli.flags import settings_of, takes
from service.cli.serving.address import free_port, is_loopback
from service.cli.serving.folder import Holder, folder_lock
from service.cli.serving.workers import answer
from service.cli.terminal import say, warn
from service.postgres.opened import Opened, opened
from service.settings.settings import Settings, unknown


class LetsOthersIn(Refusal):
    """--host {host} lets others in, and nobody is asked who he is: set HANSARD_AUTH=token, and
    HANSARD_JWT_SECRET or a service key"""


class StartStopped(BaseException):
    """Somebody asked the service to stop before it was up."""


def arguments(parser: ArgumentParser) -> None:
    takes(parser)


def run(options: Namespace) -> int:
    serve(settings_of(options))
    return 0


def serve(settings: Settings) -> None:
    """Serve until a signal comes: what was acknowledged is stored, and the database is stopped last."""
    check_access(settings)
    check_chatkit(settings)
    for name in unknown(os.environ):
        warn(f"{name} is not a setting of Hansard; `hansard settings` lists them")
    with stopping_on_signals(), ExitStack() as stack:
        lock = stack.enter_context(folder_lock(settings.data)) if settings.dsn is None else None
        settings = msgspec.structs.replace(settings, port=free_port(settings.host, settings.port))
        if lock is not None:
            os.pwrite(lock, msgspec.json.encode(Holder(os.getpid(), url_of(settings))), 0)
        database = stack.enter_context(opened(settings, say))
        migrate(settings, database)
        stack.enter_context(place_to_count())
        answer(settings, database, partial(introduce, settings, database))


def check_access(settings: Settings) -> None:
    """Before anything is started: nobody is let in unasked from elsewhere, and the keys can be read."""
    from service.access.tokens import Tokens
    from service.settings.origins import allowed_origins

    if settings.auth == "dev" and not is_loopback(settings.host):
        raise LetsOthersIn(host=settings.host)
    Tokens(settings)
    allowed_origins(settings)


def check_chatkit(settings: Settings) -> None:
    """A server of the application's own is looked at in a process that ends: what it loads takes 70 MB, which
    only the workers need."""
    from service.chatkit.loading import check

    if settings.chatkit_server != Settings().chatkit_server:
        with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            elsewhere.submit(check, settings.chatkit_server).result()


def migrate(settings: Settings, database: Opened) -> None:
    from service.hansard import prepare
    from service.privacy.noticing import in_words, notice
    from service.store.connections import Database

    prepared = prepare(settings, database.owner_dsn, database.dsn)
    restored = notice(Database.open(database.dsn), settings.erasure_journal)
    if restored is not None:
        warn(in_words(restored))
    for name in prepared.migrated.applied:
        say(f"Applied migration {name}")
    for name in prepared.not_built:
        warn(f"{name} has to be built before it can be read: run `hansard replay {name}` while this runs")


@contextmanager
def place_to_count() -> Iterator[None]:
    """Where the workers keep their counts, so that each can tell the sum; Prometheus' client named it so."""
    with TemporaryDirectory(prefix="hansard-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def introduce(settings: Settings, database: Opened) -> None:
    place = f"{settings.data.absolute()} (embedded PostgreSQL)" if database.embedded else shown(database.dsn)
    say(f"Hansard {version('hansard')} is up; Ctrl-C stops it")
    say(f"  page  {url_of(settings)}/")
    say(f"  API   {url_of(settings)}/schema")
    say(f"  data  {place}")
    if settings.auth == "token" and not (settings.jwt_secret or settings.jwt_public_key or settings.jwt_jwks):
        warn("no users' tokens are taken, only service keys: `hansard keys create NAME` makes one")


def shown(dsn: str) -> str:
    """A DSN without its secrets."""
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(dsn)
    return f"the database {given.get('dbname') or ''} on {given.get('host') or 'this machine'}"


def url_of(settings: Settings) -> str:
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(settings.host, settings.host)  # noqa: S104 - to show
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Until the web server sees to them itself, a signal ends the start and whatever it has started so
    far."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise StartStopped

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    except StartStopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
