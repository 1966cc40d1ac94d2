"""An erasure cut off at any statement is finished by whoever comes next: once, with the same counts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from psycopg import AsyncConnection

from service.attachment import Attachment
from service.hansard import Hansard, running
from service.privacy import forget, run
from service.privacy.finishing import Finishing
from service.privacy.receipts import Receipt
from service.settings.settings import Settings
from service.store.connections import connect
from service.store.repository import Caller
from service.verify.log import verify_log
from tests.conftest import SHARDS
from tests.listening import eventually
from tests.service.privacy.dumping import dumped, in_bytes
from tests.service.privacy.marking import MARKER, USER, marked
from tests.service.privacy.waiting import until_nobody_is_at_it
from tests.service.store.appending import rows

Work = Callable[[Hansard], Awaitable[Receipt]]
COUNTED = ("conversations", "messages", "events")


class Cut(Exception):
    """As if the process were killed here: nothing that it does comes after it."""


class Cutting(AsyncConnection[Any]):
    """Counts the statements of the erasures' connections, and dies at one of them."""

    left = 1_000_000
    after = False

    async def execute(self, *given: Any, **more: Any) -> Any:
        Cutting.left -= 1
        if Cutting.left == 0 and not Cutting.after:
            raise Cut
        found = await super().execute(*given, **more)
        if Cutting.left == 0:
            raise Cut
        return found


async def erase(hansard: Hansard) -> Receipt:
    return (await forget.erase_all(hansard, Caller(USER, USER, f"request-{MARKER}"))).receipt


async def anonymise(hansard: Hansard) -> Receipt:
    return await forget.anonymise_all(hansard, Caller(USER, USER, f"request-{MARKER}"))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("work", [erase, anonymise])
async def test_cut_off_anywhere_it_is_finished_once(
    dsn: str, work: Work, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.privacy.lock.AsyncConnection", Cutting)
    at, receipts = 0, list[Receipt]()
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        finished = False
        while not finished:
            at += 1
            await marked(hansard)
            await marked(hansard)
            Cutting.left, Cutting.after = at, after
            try:
                await work(hansard)
                finished = True
            except Cut:
                Cutting.left = 1_000_000
                begun = rows(dsn, "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL")
                await until_nobody_is_at_it(dsn)
                done = await run.finish_under_way(hansard)
                assert len(done) == begun[0][0]
            Cutting.left = 1_000_000
            receipt = await work(hansard)
            assert {name: receipt.counts[name] for name in COUNTED} == {
                "conversations": 2,
                "messages": 4,
                "events": 22,
            }, at
            receipts.append(receipt)
            assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(at,)]
        assert at > 15
        assert len({receipt.id for receipt in receipts}) == at
        assert USER not in dumped(dsn)
        if work is erase:
            assert not [held for held in in_bytes(dsn) if MARKER in held]
        assert rows(dsn, "SELECT count(*) FROM hansard.redactions") == [(0,)]
        assert verify_log(hansard.database).faults == ()


async def test_a_process_that_starts_finishes_what_was_cut_off(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.privacy.lock.AsyncConnection", Cutting)
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        await marked(hansard)
        Cutting.left, Cutting.after = 20, True
        with pytest.raises(Cut):
            await erase(hansard)
    assert rows(dsn, "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL") == [(1,)]
    attachment = Attachment(Settings(dsn=dsn, shards=SHARDS))
    await attachment.start()
    try:
        assert attachment.is_there
        await finished(dsn)
    finally:
        await attachment.stop()
    assert MARKER not in dumped(dsn)


async def test_what_failed_is_tried_again_while_the_service_runs_whatever_else_fails(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.privacy.lock.AsyncConnection", Cutting)
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        for user in ("broken", USER):
            await marked(hansard, user)
            Cutting.left, Cutting.after = 20, True
            with pytest.raises(Cut):
                await forget.erase_all(hansard, Caller(user))
            if user == "broken":
                with connect(dsn) as connection:
                    connection.execute("UPDATE receipts SET wish = '{}'")
        Cutting.left = 10
        finishing = Finishing(hansard, look_every=0.01)
        finishing.start()
        try:
            await finished(dsn, but=1)
        finally:
            await finishing.close()
        assert Cutting.left < 0


async def finished(dsn: str, but: int = 0) -> None:
    begun = "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL"
    await asyncio.to_thread(eventually, lambda: rows(dsn, begun) == [(but,)])
