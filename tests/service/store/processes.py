"""Another process of Hansard, for tests that need one: it does what it is told, and tells what came of it."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from psycopg_pool import AsyncConnectionPool

from domain.content import LIMITS, Limits
from projections.projection import Projection
from projections.reading.view import configure
from service.hansard import projections_of
from service.settings.settings import Settings
from service.store.connections import Database
from service.store.repository import Repository
from service.store.store import Store
from service.store.writer import Committed

Work = Callable[[Repository, Connection, Any], Coroutine[Any, Any, None]]


@asynccontextmanager
async def repository_on(
    dsn: str,
    projections: tuple[Projection, ...] = (),
    limits: Limits = LIMITS,
    committed: Committed = lambda events: None,
) -> AsyncIterator[Repository]:
    """What one process has of the store; each has a writer and memory of its own."""
    database = Database.open(dsn)
    store = Store(database, projections, committed)
    store.start()
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        database.conninfo,
        min_size=1,
        max_size=8,
        kwargs={"autocommit": True},
        configure=configure,
        open=False,
    )
    async with pool:
        repository = Repository(store, pool, limits)
        try:
            yield repository
        finally:
            await asyncio.to_thread(store.close)
            await repository.close()


@contextmanager
def another_process(work: Work, dsn: str, given: Any = None, older: bool = False) -> Iterator[Connection]:
    """Runs `work` with a repository of its own; both sides talk through the connection that is given back.
    An older one knows no projection."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(work, dsn, there, given, older))
    process.start()
    there.close()
    try:
        yield here
    finally:
        process.join(60)
        if process.exitcode != 0:
            process.kill()
            raise AssertionError(f"the other process ended with {process.exitcode}")


def _run(work: Work, dsn: str, told: Connection, given: Any, older: bool) -> None:
    async def run() -> None:
        async with repository_on(dsn, () if older else projections_of(Settings())) as repository:
            await work(repository, told, given)

    asyncio.run(run())
