"""What Prometheus is told: the sum over all workers, and nothing that grows with what strangers ask for."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.errors import CommandReused, VersionConflict
from service.hansard import running
from service.settings.settings import Settings
from service.store.append import CommandKey
from service.store.errors import StoreUnavailable
from service.watch.metrics import CountingObserver, measure, outcome_of
from service.worker.app import create_app
from tests.conftest import SHARDS
from tests.service.store.appending import asked, said, started, storing
from tests.service.test_health import change, listening
from tests.serving import serving

Samples = dict[str, float]


def parsed(text: str) -> Samples:
    """Each sample by its name and its labels, as in `name{a=1,b=2}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@asynccontextmanager
async def asking(dsn: str | None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(Settings(dsn=dsn)))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def scraped(client: httpx.AsyncClient) -> Samples:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return parsed(answer.text)


async def test_appends_are_counted_by_what_became_of_them(dsn: str) -> None:
    conversation, command = uuid4(), CommandKey(uuid4(), b"1" * 32)
    async with asking(dsn) as client:
        before = await scraped(client)
        with storing(dsn, observer=CountingObserver()) as store:
            await store.append(asked(store, conversation, started(said()), command=command))
            await store.append(asked(store, conversation, started(said()), command=command))
            with pytest.raises(VersionConflict):
                await store.append(asked(store, conversation, [said()], expected=1))
            other = CommandKey(command.id, b"2" * 32)
            with pytest.raises(CommandReused):
                await store.append(asked(store, conversation, [said()], command=other))
            for _ in range(2):
                await store.append(asked(store, conversation, [said()]))
        after = await scraped(client)
    counted = {
        outcome: after[f"hansard_appends_total{{outcome={outcome}}}"]
        - before[f"hansard_appends_total{{outcome={outcome}}}"]
        for outcome in ("stored", "repeated", "conflict", "refused", "failed")
    }
    assert counted == {"stored": 3, "repeated": 1, "conflict": 1, "refused": 1, "failed": 0}
    looks = {
        kind: difference(before, after, f"hansard_append_looks_total{{look={kind}}}")
        for kind in ("remembered", "taken", "stale")
    }
    assert looks == {"remembered": 1, "taken": 5, "stale": 0}
    assert difference(before, after, "hansard_batch_events_sum{}") == 4
    assert difference(before, after, "hansard_commit_seconds_count{}") == 3


def difference(before: Samples, after: Samples, name: str) -> float:
    return after[name] - before.get(name, 0.0)


def test_what_is_neither_an_answer_nor_a_refusal_has_failed() -> None:
    assert outcome_of(StoreUnavailable(why="it is gone", retry_after=1)) == "failed"
    assert outcome_of(ValueError("a bug")) == "failed"


async def test_an_observer_that_fails_fails_no_append(dsn: str) -> None:
    class Broken(CountingObserver):
        def stored(self, events: int, seconds: float) -> None:
            raise OSError("no space left on device")

        answered = stored  # type: ignore[assignment]

    with storing(dsn, observer=Broken()) as store:
        for _ in range(2):
            assert (await store.append(asked(store, uuid4(), started()))).size == 1


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    async with asking(None) as client:
        before = await scraped(client)
        for _ in range(3):
            await client.get("/health/live")
        for number in range(5):
            await client.get(f"/no/such/page/{number}")
        await client.post("/health/live")
        after = await scraped(client)
    requests = "hansard_http_requests_total{{method={},route={},status={}}}"
    assert difference(before, after, requests.format("GET", "/health/live", "2xx")) == 3
    assert difference(before, after, requests.format("GET", "unmatched", "4xx")) == 5
    assert difference(before, after, requests.format("POST", "unmatched", "4xx")) == 1
    live = "hansard_http_request_seconds_count{method=GET,route=/health/live}"
    assert difference(before, after, live) == 3
    assert not any("such" in name for name in after)


async def test_projections_tell_how_far_behind_they_are_and_what_is_parked(dsn: str) -> None:
    with storing(dsn) as store:
        store.append_blocking(asked(store, uuid4(), started(said(), said())))
    given = f"0, 'usage', 1, '{uuid4()}', 3, 'ValueError: no', now()"
    change(dsn, f"INSERT INTO parked VALUES ({given})")  # noqa: S608
    change(dsn, "UPDATE generations SET version = 'older' WHERE projection = 'history'")
    async with asking(dsn) as client:
        told = await scraped(client)
    assert told["hansard_database_up{}"] == 1
    assert told["hansard_events{}"] == 3
    assert told["hansard_projection_behind_events{projection=search}"] == 3
    assert told["hansard_projection_behind_seconds{projection=search}"] > 0
    assert told["hansard_parked_conversations{projection=usage}"] == 1
    assert told["hansard_parked_conversations{projection=search}"] == 0
    assert told["hansard_projection_built{projection=history}"] == 0


async def test_replies_under_way_are_told_and_those_that_their_process_has_left(dsn: str) -> None:
    draft = "0, '{}', '{}', 'ann', 'q', false, '', '{}', false, now() + interval '{}', now()"
    columns = (
        "shard, conversation_id, reply_id, user_id, in_reply_to, is_fortune, content, process_id,"
        " stop_wanted, lease_until, started_at"
    )
    for lease in ("1 hour", "1 hour", "-1 hour"):
        given = draft.format(uuid4(), uuid4(), uuid4(), lease)
        change(dsn, f"INSERT INTO drafts ({columns}) VALUES ({given})")  # noqa: S608
    async with asking(dsn) as client:
        told = await scraped(client)
    assert told["hansard_drafts{state=running}"] == 2
    assert told["hansard_drafts{state=orphaned}"] == 1


async def test_without_its_database_the_service_still_tells_what_it_counted() -> None:
    with listening() as nowhere:
        async with asking(nowhere) as client:
            told = await scraped(client)
    assert told["hansard_database_up{}"] == 0
    assert "hansard_appends_total{outcome=stored}" in told
    assert not any(name.startswith("hansard_projection") for name in told)


async def test_the_connections_for_reading_are_told_once_they_are_there(dsn: str) -> None:
    app = create_app(Settings(dsn=dsn, pool_size=3))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        deadline = asyncio.get_running_loop().time() + 10
        while (told := await scraped(client)).get("hansard_read_connections{state=free}") != 2:
            assert asyncio.get_running_loop().time() < deadline, told
    assert told["hansard_read_waiting{}"] == 0
    assert told["hansard_appends_waiting{}"] == 0


async def test_reads_that_wait_for_a_connection_are_counted_with_their_time(dsn: str) -> None:
    async with running(Settings(shards=SHARDS, pool_size=1), dsn) as hansard, asking(None) as client:
        measure(hansard.store, hansard.pool)
        before = await scraped(client)
        async with hansard.pool.connection():
            second = asyncio.ensure_future(hansard.pool.getconn())
            while not hansard.pool.get_stats().get("requests_waiting"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            measure(hansard.store, hansard.pool)
            assert (await scraped(client))["hansard_read_waiting{}"] == 1
        await hansard.pool.putconn(await second)
        measure(hansard.store, hansard.pool)
        after = await scraped(client)
    assert difference(before, after, "hansard_read_waits_total{}") >= 1  # the process reads, too
    assert difference(before, after, "hansard_read_wait_seconds_total{}") > 0


REQUESTS = "hansard_http_requests_total{method=GET,route=/health/live,status=2xx}"


def test_whichever_worker_is_asked_tells_the_sum_and_a_killed_one_stays_counted(
    dsn: str, data: Path, tmp_path: Path
) -> None:
    flags = ("--workers", "2", "--dsn", dsn)
    with serving(*flags, data=data, output=tmp_path / "output", TMPDIR=str(tmp_path)) as service:
        (folder,) = tmp_path.glob("hansard-metrics-*")
        before = scrape(service.url).get(REQUESTS, 0)
        for _ in range(40):
            httpx.get(service.url + "/health/live")
        assert {scrape(service.url)[REQUESTS] for _ in range(20)} == {before + 40}
        victim = min(service.workers())
        os.kill(victim, signal.SIGKILL)
        while (folder / f"gauge_livesum_{victim}.db").exists():
            service.wait_until_it_answers("/metrics")
        assert parsed(service.wait_until_it_answers("/metrics").text)[REQUESTS] == before + 40
    assert not folder.exists()


def scrape(url: str) -> Samples:
    return parsed(httpx.get(url + "/metrics").text)
