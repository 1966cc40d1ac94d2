"""PgBouncer before a database, as Debian has it."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service.cli.serving.address import free_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
SETTINGS = """
[databases]
{dbname} = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = {ignored}
"""
LONGEST_START = 20.0


@contextmanager
def pooled(dsn: str, place: Path, mode: str, ignored: str) -> Iterator[str]:
    """The DSN that leads through it."""
    found = shutil.which("pgbouncer", path=PATH)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no PgBouncer: .ci/run installs it")
        pytest.skip("there is no PgBouncer: on Debian and Ubuntu, apt install pgbouncer")
    given, listen = conninfo_to_dict(dsn), free_port("127.0.0.1", 0)
    settings = place / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(**given, listen=listen, mode=mode, ignored=ignored))
    command = [found, "--quiet", *as_somebody(Path(str(given["host"]))), str(settings)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        through = make_conninfo(dsn, host="127.0.0.1", port=listen)
        try:
            until_it_answers(through, process)
            yield through
        finally:
            process.kill()


def as_somebody(sockets: Path) -> list[str]:
    """It refuses to run as root, and then has to be let in where the database's user is."""
    if os.geteuid() != 0:
        return []
    return ["--user", pwd.getpwuid(sockets.stat().st_uid).pw_name]


def until_it_answers(dsn: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST_START
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "PgBouncer ended"
            assert time.monotonic() < deadline
        else:
            return
