"""`hansard serve`: the folder locked, the port free, the database up and migrated, and then Granian's
workers."""

import errno
import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from service.cli.terminal import say, warn
from service.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError, explained
from service.postgres.opened import Opened, opened
from service.settings.settings import Settings, unknown

if TYPE_CHECKING:
    from granian.server.mp import MPServer

GRACE: Final = 30  # seconds that a worker has to finish what it is answering, once its replies have ended
HANDING_OVER: Final = 10.0  # seconds that the workers of a killed service may take to notice


class CannotServe(Exception):
    """The service cannot start, or cannot go on; the text is one line that says why and what to do."""


class Stopped(BaseException):
    """Somebody asked the service to stop before it was up."""


class Holder(Struct):
    """Who serves a data folder, as written into its lock."""

    pid: int
    url: str


def serve(settings: Settings) -> int:
    """Serve until a signal comes: what was acknowledged is stored, and the database is stopped last."""
    check_access(settings)
    for name in unknown(os.environ):
        warn(f"{name} is not a setting of Hansard; `hansard settings` lists them")
    with stopping_on_signals(), ExitStack() as stack:
        lock = stack.enter_context(serve_lock(settings.data)) if settings.dsn is None else None
        settings = msgspec.structs.replace(settings, port=free_port(settings.host, settings.port))
        if lock is not None:
            os.pwrite(lock, msgspec.json.encode(Holder(os.getpid(), url_of(settings))), 0)
        database = stack.enter_context(opened(settings, say))
        migrate(settings, database)
        stack.enter_context(place_to_count())
        return answer(settings, database)
    return 0  # type: ignore[unreachable] # mypy does not know that Stopped is swallowed


def check_access(settings: Settings) -> None:
    """Before anything is started: nobody is let in unasked from elsewhere, and the keys can be read."""
    from service.access.tokens import Tokens
    from service.settings.origins import allowed_origins

    if settings.auth == "dev" and not is_loopback(settings.host):
        raise CannotServe(
            f"--host {settings.host} lets others in, and nobody is asked who he is: "
            "set HANSARD_AUTH=token, and HANSARD_JWT_SECRET or a service key"
        )
    Tokens(settings)
    allowed_origins(settings)


def migrate(settings: Settings, database: Opened) -> None:
    from service.hansard import prepare

    prepared = prepare(settings, database.owner_dsn, database.dsn)
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


def answer(settings: Settings, database: Opened) -> int:
    """Run the workers until a signal comes, or until they or the database cannot be kept alive."""
    server = granian(settings, database)
    keeper = Keeper(database.embedded, server)
    detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    @server.on_startup
    def begin() -> None:
        listen_to_signals(server, detached)
        introduce(settings, database)

    keeper.start()
    try:
        server.serve()
    except SystemExit:
        if not server.interrupt_signal:
            raise CannotServe(
                "a worker process died, and so did the one after it: see the lines above"
            ) from None
    except (OSError, RuntimeError) as error:
        raise CannotServe(f"cannot listen on {settings.host}:{settings.port}: {error}") from error
    finally:
        keeper.stop()
    if keeper.failure:
        raise keeper.failure
    return 0


def listen_to_signals(server: "MPServer", detached: bool) -> None:
    """Instead of Granian's own handlers. Those do nothing in a worker that is forked but not up yet, so that
    a stop in that moment would wait for it in vain; and they take SIGHUP, by which a terminal says that it is
    gone, for a wish to restart the workers."""
    main = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() == main:
            server.signal_handler_interrupt()  # type: ignore[no-untyped-call]
        elif number == signal.SIGTERM:
            os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    if detached:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def granian(settings: Settings, database: Opened) -> "MPServer":
    """Granian's main process; its workers read the settings from the environment, as we do."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server.mp import MPServer

    from service.watch import logs

    reached = msgspec.structs.replace(settings, dsn=database.dsn, owner_dsn=database.owner_dsn)
    os.environ.update(reached.environ())
    return MPServer(
        "service.worker.app:create_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig=logs.configuration(settings.log_level),
        respawn_failed_workers=True,
        workers_kill_timeout=settings.grace + GRACE,
    )


class Keeper(threading.Thread):
    """Brings the embedded PostgreSQL back when something else than us ends it (the kernel, short of memory,
    say)."""

    def __init__(self, embedded: EmbeddedPostgres | None, server: "MPServer") -> None:
        super().__init__(name="keeper")
        self.embedded = embedded
        self.server = server
        self.stopping = threading.Event()
        self.failure: EmbeddedPostgresError | None = None

    def run(self) -> None:
        while self.embedded and not self.stopping.wait(1):
            try:
                if self.embedded.revive():
                    warn("PostgreSQL had been killed and was started again")
            except EmbeddedPostgresError as error:
                self.failure = error
                self.server.signal_handler_interrupt()  # type: ignore[no-untyped-call]
                return

    def stop(self) -> None:
        self.stopping.set()
        self.join()


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


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host: str, port: int) -> int:
    """The port itself, or one that is free for 0; looked at first, since starting PostgreSQL takes longer."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise CannotServe(f"--host {host} is not the name or address of this machine") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen()  # what listens with SO_REUSEPORT is noticed only here
        except PermissionError:
            raise CannotServe(f"port {port} is not for everybody: give one above 1023 with --port") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotServe(
                    f"port {port} is taken by another program: give another with --port"
                ) from None
            raise CannotServe(f"--host {host} cannot be listened on: {error.strerror}") from None
        return int(probe.getsockname()[1])


@contextmanager
def serve_lock(data: Path) -> Iterator[int]:
    """One service a data folder; the workers share the lock, so it lasts until the last of them is gone."""
    with explained(data):
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        take(lock, data)
        os.ftruncate(lock, 0)
        yield lock
    finally:
        os.close(lock)


def take(lock: int, data: Path) -> None:
    deadline = time.monotonic() + HANDING_OVER
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = holder_of(lock)
            if time.monotonic() > deadline or (holder and lives(holder.pid)):
                who = f"by process {holder.pid}, at {holder.url}" if holder else "by another process"
                raise CannotServe(
                    f"{data} is served already {who}: use that, stop it, or give another --data"
                ) from None
            time.sleep(0.05)


def holder_of(lock: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(lock, 1000, 0), type=Holder)
    except msgspec.DecodeError:
        return None


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Until the web server sees to them itself, a signal ends the start and whatever it has started so
    far."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    except Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
