"""Granian's worker processes, which answer requests, and the database that they need."""

import os
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, Final

import msgspec

from domain.errors import Refusal
from service.cli.terminal import warn
from service.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from service.postgres.opened import Opened
from service.settings.settings import Settings

if TYPE_CHECKING:
    from granian.server.mp import MPServer

BACKLOG: Final = 1_024
"""Connections that may wait for one of a worker's to end. More would only wait for longer."""
LONGEST_HEAD: Final = 131_072
"""Bytes. A cursor of the audit's feed takes 60,000 of them."""
OTHER_FILES: Final = 256
"""What a worker has open beside the connections of those who ask: the database's, logs, modules."""
GRACE: Final = 30
"""Seconds that a worker has to finish what it is answering, once its replies have ended."""
FEWEST: Final = 10


class CannotAnswer(Refusal):
    """cannot listen on {host}:{port}: {why}"""


def answer(settings: Settings, database: Opened, introduce: Callable[[], None]) -> None:
    """Until a signal comes, or until the database cannot be kept alive; `introduce` is called once the
    workers are up."""
    server = granian(settings, database)
    keeper = Keeper(database.embedded, server)
    detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    @server.on_startup
    def begin() -> None:
        listen_to_signals(server, detached)
        introduce()

    keeper.start()
    try:
        with suppress(SystemExit):  # a worker died just when all were to stop
            server.serve()
    except (OSError, RuntimeError) as error:
        raise CannotAnswer(host=settings.host, port=settings.port, why=error) from error
    finally:
        keeper.stop()
    if keeper.failure:
        raise keeper.failure


def room_for_files(settings: Settings) -> Settings:
    """A worker that may not open another file would try again and again to take the next connection."""
    wanted = settings.connections + settings.pool_size + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most == wanted:
        return settings
    connections = max(FEWEST, most - settings.pool_size - OTHER_FILES)
    warn(
        f"the system lets a process open {hard} files: each worker keeps {connections} connections "
        f"open, not the {settings.connections} of HANSARD_CONNECTIONS; raise the limit (ulimit -Hn)"
    )
    return msgspec.structs.replace(settings, connections=connections)


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
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from service.cli.serving.respawning import LastingServer
    from service.watch import logs

    settings = room_for_files(settings)
    reached = msgspec.structs.replace(settings, dsn=database.dsn, owner_dsn=database.owner_dsn)
    os.environ.update(reached.environ())
    return LastingServer(
        "service.worker.app:create_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
        workers=settings.workers,
        websockets=False,
        http=HTTPModes.http1,  # with both, whoever sends nothing is waited for without end
        http1_settings=HTTP1Settings(
            header_read_timeout=settings.idle_timeout * 1000, max_buffer_size=LONGEST_HEAD
        ),
        backlog=BACKLOG,
        backpressure=settings.connections,
        log_level=LogLevels.warning,
        log_dictconfig=logs.configuration(settings.log_level),
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
