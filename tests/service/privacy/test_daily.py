"""Retention runs once a day, in one of however many processes, and survives restarts and stops."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.retention import Due, Policy, Retention
from service.attachment import Attachment
from service.hansard import Hansard, running
from service.privacy import retention
from service.privacy.daily import Daily
from service.privacy.retention import DueConversation, RetentionReport
from service.settings.settings import Settings
from tests.conftest import SHARDS
from tests.listening import eventually
from tests.service.privacy.ageing import ERASED, KEPT, ending_of, idle
from tests.service.store.appending import rows, until
from tests.serving import hansard as hansard_command
from tests.serving import serving

ERASE = Retention(Policy(erase_after_days=30))
RUNS = "SELECT begun_at, counts->>'erased' FROM hansard.retention_runs ORDER BY 1"
UNDER_WAY = "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


def settings(dsn: str, **more: Any) -> Settings:
    return Settings(dsn=dsn, shards=SHARDS, **more)


def seen_to(hansard: Hansard, clock: Clock, look_every: float = 0.01) -> Daily:
    return Daily(hansard, ERASE, clock=clock, look_every=look_every)


def erased(dsn: str, ids: list[UUID]) -> bool:
    return all(ending_of(dsn, each) == ERASED for each in ids)


async def test_of_two_processes_that_look_at_once_one_runs(dsn: str) -> None:
    clock = Clock()
    async with running(settings(dsn), dsn) as one, running(settings(dsn), dsn) as other:
        ids = [await idle(one, 31, user_id=f"user {number}") for number in range(4)]
        reports = await asyncio.gather(*(seen_to(each, clock).look() for each in (one, other)))
        (report,) = [each for each in reports if each is not None]
        assert report.sum_of(Due.ERASE) == 4
        assert erased(dsn, ids)
        assert rows(dsn, RUNS) == [(clock.now, "4")]


async def test_it_runs_once_a_day_however_often_it_is_started(dsn: str) -> None:
    clock = Clock()
    async with running(settings(dsn), dsn) as hansard:
        assert await seen_to(hansard, clock).look() is not None
    begun = clock.now
    clock.now += timedelta(hours=23, minutes=59)
    async with running(settings(dsn), dsn) as hansard:
        late = await idle(hansard, 31)
        assert await seen_to(hansard, clock).look() is None
        assert ending_of(dsn, late) == KEPT
        clock.now += timedelta(minutes=1)
        assert await seen_to(hansard, clock).look() is not None
        assert ending_of(dsn, late) == ERASED
        assert rows(dsn, RUNS) == [(begun, "0"), (clock.now, "1")]
        clock.now -= timedelta(days=40)
        assert await seen_to(hansard, clock).look() is not None, "a clock that was ahead does not put it off"


async def test_it_keeps_looking_until_it_is_stopped(dsn: str) -> None:
    clock = Clock()
    async with running(settings(dsn), dsn) as one, running(settings(dsn), dsn) as other:
        served = [seen_to(each, clock) for each in (one, other)]
        for each in served:
            each.start()
        await until(lambda: len(rows(dsn, RUNS)) == 1)
        late = await idle(one, 31)
        clock.now += timedelta(days=1)
        await until(lambda: len(rows(dsn, RUNS)) == 2)
        assert ending_of(dsn, late) == ERASED
        for each in served:
            await each.close()
        clock.now += timedelta(days=1)
        assert len(rows(dsn, RUNS)) == 2


async def test_what_fails_is_tried_again(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, failures, retain = Clock(), [1, 2], retention.retain

    async def failing(*given: Any, **more: Any) -> RetentionReport:
        if failures:
            failures.pop()
            raise RuntimeError("the database went away")
        return await retain(*given, **more)

    monkeypatch.setattr("service.privacy.daily.retain", failing)
    async with running(settings(dsn), dsn) as hansard:
        of_now = await idle(hansard, 31)
        served = seen_to(hansard, clock)
        served.start()
        await until(lambda: len(rows(dsn, RUNS)) == 1)
        await served.close()
        assert ending_of(dsn, of_now) == ERASED


async def test_a_stop_in_the_middle_finishes_what_is_begun_and_leaves_the_rest(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, begun, go_on = Clock(), list[UUID](), asyncio.Event()
    carry_out = retention.carry_out

    async def slowly(hansard: Hansard, found: DueConversation) -> None:
        begun.append(found.conversation_id)
        await go_on.wait()
        await carry_out(hansard, found)

    monkeypatch.setattr(retention, "carry_out", slowly)
    async with running(settings(dsn), dsn) as hansard:
        ids = [await idle(hansard, 31) for _ in range(5)]
        served = seen_to(hansard, clock)
        served.start()
        await until(lambda: len(begun) == retention.AT_ONCE)
        closing = asyncio.create_task(served.close())
        await asyncio.sleep(0)
        go_on.set()
        await closing
        assert erased(dsn, begun)
        assert sum(ending_of(dsn, each) == ERASED for each in ids) == retention.AT_ONCE
        assert rows(dsn, UNDER_WAY) == [(0,)]
        assert rows(dsn, RUNS) == []
    async with running(settings(dsn), dsn) as hansard:
        report = await seen_to(hansard, clock).look()
        assert report is not None
        assert report.sum_of(Due.ERASE) == 3
        assert erased(dsn, ids)


async def test_a_service_without_a_policy_does_nothing(dsn: str) -> None:
    attachment = Attachment(settings(dsn))
    await attachment.start()
    assert attachment._daily is not None
    assert not attachment._daily._looking.is_running
    await attachment.stop()


async def test_a_service_of_two_workers_sees_to_it_and_tells_counts_only(dsn: str, tmp_path: Path) -> None:
    async with running(settings(dsn), dsn) as hansard:
        ids = [await idle(hansard, 31, user_id=f"user {number}") for number in range(3)]
    flags = ["--dsn", dsn, "--workers", "2", "--retention-erase-after", "30"]
    with serving(*flags, data=tmp_path, output=tmp_path / "out") as service:
        eventually(lambda: rows(dsn, "SELECT counts->>'erased' FROM hansard.retention_runs") == [("3",)])
        assert erased(dsn, ids)
        told = [line for line in service.said.splitlines() if "hansard.retention" in line]
        assert len(told) == 1
        assert '"message":"retention: 0 anonymised, 3 erased, 0 left, 0 failed"' in told[0]

        def metrics() -> str:
            return httpx.get(f"{service.url}/metrics").text

        eventually(lambda: 'hansard_retention_last_run_conversations{outcome="erased"} 3.0' in metrics())
        # Each worker has a look of its own, up to a second old.
        eventually(lambda: "hansard_retention_last_run_timestamp_seconds" in metrics())
        status = hansard_command("status", "--dsn", dsn).stdout
        assert re.search("retention last ran at .* UTC: 0 anonymised, 3 erased, 0 left, 0 failed", status)
        assert service.stop() == 0
