"""What every test may ask for: a real PostgreSQL, and databases of its own in it."""

import gc
import os
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, LiteralString

import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from tests.cluster import COORDINATOR, DISTRIBUTION, Cluster, execute, reason_to_leave_out

SHARDS = 8
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
ASKING_FOR_A_DATABASE = {"postgres", "data"}
OF_A_FOLDER = {"browser": "tests/browser/", "crash": "tests/crash/"}

# Where CI is set, hypothesis's own settings draw the same examples each time; these keep to that.
settings.register_profile("normal", settings(), deadline=None, print_blob=True)
settings.register_profile("long", settings.get_profile("normal"), max_examples=250, stateful_step_count=60)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "normal")
settings.load_profile(PROFILE)
LONG = 7_200 if PROFILE == "long" else None
"""How many seconds one test may take in a long run."""

ON_A_CLUSTER = 900
"""The same there: a table takes as long to make as a database elsewhere."""

numbers = count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test is marked with what it needs, so that it can be left out by hand; see `pytest --markers`."""
    for item in items:
        for mark, folder_of_it in OF_A_FOLDER.items():
            if item.nodeid.startswith(folder_of_it):
                item.add_marker(mark)
        if COORDINATOR is not None:
            item.add_marker(pytest.mark.timeout(ON_A_CLUSTER))
            if (why := reason_to_leave_out(item.nodeid)) is not None:
                item.add_marker(pytest.mark.skip(reason=f"on a cluster: it {why}"))
        if ASKING_FOR_A_DATABASE & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not look through it time and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def certificates() -> Iterator[None]:
    """Read once: each HTTP client reads them all, and none of the tests' own needs any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


Servers = EmbeddedPostgres | Cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Servers]:
    """One PostgreSQL for the whole run of a test process; or the cluster that the run was given."""
    if COORDINATOR is not None:
        yield Cluster(COORDINATOR)
    else:
        with folder() as data, EmbeddedPostgres(data, options=UNSAFE_BUT_FAST) as server:
            yield server


@pytest.fixture(scope="session")
def template(postgres: Servers) -> Iterator[str]:
    """The name of a database that was migrated, from which the others are copied."""
    with template_made(postgres, prepared) as name:
        yield name


def prepared(dsn: str, shards: int = SHARDS) -> None:
    from service.hansard import prepare

    prepare(Settings(shards=shards), dsn, distribution=DISTRIBUTION)


@pytest.fixture
def dsn(postgres: Servers, template: str) -> Iterator[str]:
    """A migrated database, empty of conversations, for this test alone."""
    with database(postgres, template) as made:
        yield made


@pytest.fixture(scope="session")
def nothing(postgres: Servers) -> Iterator[str]:
    """The name of a database in which nothing was made."""
    if isinstance(postgres, Cluster):
        with template_made(postgres) as name:
            yield name
    else:
        yield "template1"


@pytest.fixture
def empty_dsn(postgres: Servers, nothing: str) -> Iterator[str]:
    """A database in which nothing was made yet, for this test alone."""
    with database(postgres, nothing) as made:
        yield made


@contextmanager
def template_made(postgres: Servers, prepare: Callable[[str], Any] = lambda dsn: None) -> Iterator[str]:
    """A database from which others are copied, for as long as it is needed."""
    name = new_name()
    command(postgres, "CREATE DATABASE {}", name)
    dsn = make_conninfo(postgres.dsn, dbname=name)
    try:
        if isinstance(postgres, Cluster):
            postgres.join(name)
        prepare(dsn)
        if isinstance(postgres, Cluster):
            postgres.keep_out(name)
        yield name
    finally:
        drop(postgres, name)


@contextmanager
def database(postgres: Servers, template: str) -> Iterator[str]:
    """A copy of the template, for as long as it is needed.

    Files are copied: without fsync that takes a tenth of the time that writing all of it to the log takes.
    """
    name = new_name()
    command(postgres, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
    try:
        yield make_conninfo(postgres.dsn, dbname=name)
    finally:
        drop(postgres, name)


def drop(postgres: Servers, name: str) -> None:
    if isinstance(postgres, Cluster):
        postgres.keep_out(name)
    command(postgres, "DROP DATABASE {} WITH (FORCE)", name)


def new_name() -> str:
    """Several processes of a run may have one cluster."""
    return f"test_{os.getpid()}_{next(numbers)}"


@pytest.fixture
def data() -> Iterator[Path]:
    """A place for a data folder; pytest's own would be closed to the user that PostgreSQL runs as under
    root."""
    with folder() as place:
        yield place / "data"


@contextmanager
def folder() -> Iterator[Path]:
    """In memory where there is room: most of the time of making and removing databases goes to the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it has a name that nobody can guess
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**31
    with tempfile.TemporaryDirectory(prefix="hansard-test-", dir=memory if roomy else None) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def command(postgres: Servers, statement: LiteralString, *names: str) -> None:
    """On each of its servers."""
    servers = postgres.servers() if isinstance(postgres, Cluster) else [postgres.dsn]
    execute(servers, sql.SQL(statement).format(*map(sql.Identifier, names)))
