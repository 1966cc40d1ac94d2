import asyncio
import logging

import pytest

from service.repeating import Repeating

log = logging.getLogger("hansard.test")


async def test_work_that_fails_is_done_again_and_its_failure_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Semaphore(0)
    failures: list[Exception | None] = [ValueError("bad"), ConnectionError("away"), None]

    async def work() -> None:
        done.release()
        if failures and (failed := failures.pop(0)):
            raise failed

    repeating = Repeating(work, 0.0, log, "it failed", passing=(ConnectionError,))
    repeating.start()
    for _ in range(4):
        await done.acquire()
    await repeating.close()
    assert not repeating.is_running
    unexpected, passing = caplog.records[:2]
    assert unexpected.exc_info
    assert (passing.levelname, passing.getMessage()) == ("WARNING", "it failed: ConnectionError")


async def test_what_is_being_done_when_it_is_closed_has_its_patience_and_no_more() -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    patient = Repeating(work, 60.0, log, "it failed", patience=60.0)
    patient.start()
    await begun.wait()
    closing = asyncio.create_task(patient.close())
    await patient.closing.wait()
    go_on.set()
    await closing
    assert ended.is_set()

    for event in (begun, go_on, ended):
        event.clear()
    hasty = Repeating(work, 60.0, log, "it failed")
    hasty.start()
    await begun.wait()
    await hasty.close()
    assert not ended.is_set()
