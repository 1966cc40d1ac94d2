"""Restores a database from a dump of it, as an operator would after a disaster."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from service.postgres.embedded import EmbeddedPostgres, programs
from tests.conftest import command, numbers


def dump(dsn: str, file: Path, *flags: str) -> None:
    run("pg_dump", *flags, f"--dbname={dsn}", f"--file={file}")


@contextmanager
def restored(postgres: EmbeddedPostgres, file: Path) -> Iterator[str]:
    """Into a database of its own."""
    name = f"restored_{next(numbers)}"
    command(postgres, "CREATE DATABASE {} TEMPLATE template0", name)
    dsn = make_conninfo(postgres.dsn, dbname=name)
    run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={dsn}", f"--file={file}")
    yield dsn
    command(postgres, "DROP DATABASE {} WITH (FORCE)", name)


def run(program: str, *arguments: str) -> None:
    folder = programs()
    environ = os.environ | {"LD_LIBRARY_PATH": str(folder.parent / "lib")}
    done = subprocess.run([str(folder / program), *arguments], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
