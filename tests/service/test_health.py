"""A process that lives says so whatever happens; it is ready only when it can answer."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from litestar import Litestar
from psycopg.conninfo import make_conninfo

from projections.history import History
from service.api.health import problems
from service.hansard import prepare, projections_of
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from service.store.connections import connect
from service.watch.look import FRESH, Watch
from service.worker.app import create_app
from tests.conftest import SHARDS, UNSAFE_BUT_FAST
from tests.outage import is_down, lie_apart, one_lane_down
from tests.service.store.appending import asked, lane_held, rows, said, started, storing, until

READY = {"status": "ready", "problems": [], "behind": {}, "parked": {}, "out_of_reach": []}


class Client:
    """An application that runs, and who asks it."""

    def __init__(self, app: Litestar, http: httpx.AsyncClient) -> None:
        self.app = app
        self.http = http

    async def ready(self) -> tuple[int, dict[str, Any]]:
        answer = await self.http.get("/health/ready")
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status_code, answer.json()

    async def until_ready(self, wanted: bool = True) -> None:
        await self.until(lambda status, _: (status == 200) is wanted)

    async def until(self, wanted: Callable[[int, dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + 30
        while not wanted(*await self.ready()):
            assert time.monotonic() < deadline, await self.ready()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(dsn: str | None) -> AsyncIterator[Client]:
    app = create_app(Settings(dsn=dsn, shards=SHARDS))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type] # the same protocol by another name
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield Client(app, http)


@contextmanager
def listening(answers: bool = False) -> Iterator[str]:
    """The DSN of what takes connections and never says a word, or of nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        if not answers:
            server.close()
        yield f"postgresql://{host}:{port}/hansard"


def change(dsn: str, statement: str) -> None:
    with connect(dsn) as connection:
        assert connection.execute(statement.encode()).rowcount, statement


def append(dsn: str, events: int) -> None:
    with storing(dsn) as store:
        store.append_blocking(asked(store, uuid4(), started(*(said() for _ in range(events - 1)))))


async def test_a_service_with_all_that_it_needs_is_ready(dsn: str) -> None:
    async with running(dsn) as client:
        assert await client.ready() == (200, READY)


async def test_a_projection_that_is_not_built_is_named_with_what_to_do(dsn: str) -> None:
    change(dsn, "UPDATE generations SET version = 'older' WHERE projection = 'search'")
    async with running(dsn) as client:
        status, body = await client.ready()
        assert (status, body["status"]) == (503, "not ready")
        assert body["problems"] == ["search is not built for this version: run hansard replay search"]


async def test_parked_conversations_show_and_do_no_harm(dsn: str) -> None:
    given = f"0, 'history', 1, '{uuid4()}', 3, 'ValueError: no', now()"
    change(dsn, f"INSERT INTO parked VALUES ({given})")  # noqa: S608
    async with running(dsn) as client:
        status, body = await client.ready()
        assert (status, body["parked"]) == (200, {"history": 1})


async def test_a_database_that_is_not_migrated_is_waited_for(empty_dsn: str) -> None:
    async with running(empty_dsn) as client:
        status, body = await client.ready()
        assert status == 503
        assert "hansard migrate" in body["problems"][0]
        prepare(Settings(shards=SHARDS), empty_dsn)
        await client.until_ready()


async def test_without_its_database_the_process_starts_and_lives_and_is_not_ready() -> None:
    with listening() as nowhere:
        async with running(nowhere) as client:
            assert (await client.http.get("/health/live")).status_code == 200
            status, body = await client.ready()
            assert status == 503
            assert "cannot be reached" in body["problems"][0]
            assert "127.0.0.1" not in str(body)


async def test_a_database_that_does_not_answer_is_not_waited_for_longer_than_two_seconds() -> None:
    with listening(answers=True) as silent:
        watch = Watch(silent, projections_of(Settings()))
        started_at = time.monotonic()
        looks = await asyncio.gather(*(watch.look() for _ in range(20)))
        assert time.monotonic() - started_at < 4
        assert {look.failure for look in looks} == {
            "the database did not answer within 2 s: see that PostgreSQL is well"
        }


async def test_a_database_that_goes_away_and_comes_back_takes_the_service_with_it(data: Path) -> None:
    server = EmbeddedPostgres(data, options=UNSAFE_BUT_FAST)
    with server:
        dsn = make_conninfo(server.dsn)
        prepare(Settings(shards=SHARDS), dsn)
    async with running(dsn) as client:
        await client.until_ready(False)
        with server:
            await client.until_ready()
            hansard = client.app.state["attachment"].hansard
            await hansard.store.append(asked(hansard.store, uuid4(), started()))
        await client.until_ready(False)
        assert (await client.http.get("/health/live")).status_code == 200
        with server:
            await client.until_ready()
            await hansard.store.append(asked(hansard.store, uuid4(), started()))
            assert rows(dsn, "SELECT count(*) FROM events") == [(2,)]


async def test_everything_that_was_taken_before_the_stop_is_stored(dsn: str) -> None:
    with ExitStack() as lane:
        async with running(dsn) as client:
            lane.enter_context(lane_held(dsn))
            store = client.app.state["attachment"].hansard.store
            appends = [asyncio.create_task(store.append(asked(store, uuid4(), started()))) for _ in range(50)]
            await until(lambda: store.waiting() > 0)
            asyncio.get_running_loop().call_later(0.2, lane.close)  # when it is stopping already
    assert len(await asyncio.gather(*appends)) == 50
    assert rows(dsn, "SELECT count(*) FROM events") == [(50,)]


async def test_a_projection_that_is_behind_and_does_not_move_is_told_after_a_minute(
    dsn: str,
) -> None:
    now = 1000.0
    watch = Watch(dsn, (History(),), lambda: now)
    change(dsn, "UPDATE checkpoints SET position = 0 WHERE projection = 'history' AND shard = 5")

    async def after(seconds: float) -> list[str]:
        nonlocal now
        now += seconds
        return list(problems(await watch.look(), attached=True))

    assert await after(100) == []
    append(dsn, 3)
    assert await after(100) == []
    assert await after(30) == []
    (problem,) = await after(40)
    assert problem.startswith("history is 3 events behind and has not moved for 70 s")
    change(dsn, "UPDATE checkpoints SET position = 1 WHERE projection = 'history' AND shard = 5")
    assert await after(100) == []


def test_a_service_that_has_not_taken_the_database_into_use_is_not_ready(dsn: str) -> None:
    look = asyncio.run(Watch(dsn, projections_of(Settings())).look())
    (problem,) = problems(look, attached=False)
    assert "tries again every second" in problem


async def test_a_lane_that_cannot_be_reached_is_named_and_the_others_are_served(dsn: str) -> None:
    lie_apart(dsn)
    shards = [shard for shard in range(SHARDS) if is_down(shard)]
    async with running(dsn) as client:
        await client.until_ready()
        with one_lane_down(dsn):
            await client.until(lambda _, told: bool(told["out_of_reach"]))
            assert await client.ready() == (200, {**READY, "out_of_reach": shards})
            await asyncio.sleep(FRESH)
            metrics = (await client.http.get("/metrics")).text
            assert f'hansard_shards{{state="away"}} {len(shards)}.0' in metrics
        await client.until(lambda _, told: told == READY)
