"""A long conversation is anonymised in pieces: nobody else waits until all of it is done."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection, errors

from domain.errors import VersionConflict
from domain.recorded import Recorded
from projections.following import bringing_back, refolding
from service.cli.main import main
from service.commands import Terms
from service.hansard import Hansard, running
from service.privacy import forget, run
from service.privacy.anonymisation import Anonymity, Remainder
from service.settings.settings import Settings
from service.store.connections import connect
from service.store.log import DatabaseLog
from service.store.repository import Caller
from tests.conftest import SHARDS
from tests.service.api.recording import at_once
from tests.service.privacy.marking import USER, by, marked, said
from tests.service.privacy.test_erasing import follow
from tests.service.privacy.waiting import until_nobody_is_at_it
from tests.service.store.appending import rows

PIECE = 20
EVENTS = 112
ROWS = """
SELECT (SELECT count(*) FROM hansard.history_g1), (SELECT count(*) FROM hansard.search_g1),
    (SELECT count(*) FROM hansard.usage_g1), (SELECT count(*) FROM hansard.conversations_g1)"""
ALL, NONE = [(102, 102, 1, 1)], [(0, 0, 0, 0)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringing_back, "PIECE", PIECE)
    monkeypatch.setattr(refolding, "ROWS", PIECE)


async def long_one(hansard: Hansard) -> UUID:
    conversation_id = await marked(hansard, more=100)
    await asyncio.to_thread(follow, hansard)
    return conversation_id


class Probing(DatabaseLog):
    """Looks, whenever events are read, whether somebody else could append just now."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.freely: list[int] = []
        self.locked: list[int] = []

    def piece(self, connection: Connection[Any], *place: Any) -> list[Recorded]:
        found = super().piece(connection, *place)
        (self.freely if lane_is_free(self._dsn) else self.locked).append(len(found))
        return found


def lane_is_free(dsn: str) -> bool:
    with connect(dsn) as connection:
        try:
            connection.execute("SELECT shard FROM lanes WHERE shard = 0 FOR NO KEY UPDATE NOWAIT")
        except errors.LockNotAvailable:
            return False
        return True


async def test_what_takes_long_is_done_while_others_can_append(dsn: str) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await long_one(hansard)
        hansard.log = probing = Probing(dsn)
        await forget.anonymise(hansard, Caller(USER), conversation_id)
    assert sum(probing.freely) == EVENTS * len(hansard.projections)
    assert set(probing.locked) == {0}, "under the lock it is only seen that nothing is left"
    assert rows(dsn, ROWS) == ALL
    assert main(["verify", "--dsn", dsn]) == 0


async def test_the_append_finds_no_rows_that_it_would_have_to_change(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, prove = [], Anonymity._prove

    async def looked(self: Anonymity, *given: Any) -> Remainder:
        seen.append(rows(dsn, ROWS))
        return await prove(self, *given)

    monkeypatch.setattr(Anonymity, "_prove", looked)
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        await forget.anonymise(hansard, Caller(USER), await long_one(hansard))
    assert seen == [NONE]


class Cut(Exception):
    """As if the process were killed here."""


@pytest.mark.parametrize("module", [bringing_back, refolding])
async def test_cut_off_between_any_two_pieces_it_comes_to_the_same(
    dsn: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "take_piece" if module is bringing_back else "delete_rows"
    real, left = getattr(module, name), 1_000_000

    def cutting(*given: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Cut
        return real(*given)

    monkeypatch.setattr(module, name, cutting)
    at, done = 0, False
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        while not done:
            conversation_id = await marked(hansard, more=50)
            at = left = at + 1
            try:
                await forget.anonymise(hansard, Caller(USER), conversation_id)
                done = True
            except Cut:
                left = 1_000_000
                await until_nobody_is_at_it(dsn)
                await run.finish_under_way(hansard)
            left = 1_000_000
            assert rows(dsn, "SELECT count(*) FROM hansard.parked") == [(0,)]
        await asyncio.to_thread(follow, hansard)
    assert at > 5
    assert rows(dsn, "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL") == [(0,)]
    assert rows(dsn, "SELECT count(*) FROM hansard.history_g1") == [(at * 52,)]
    assert main(["verify", "--dsn", dsn]) == 0


async def test_refused_because_somebody_was_quicker_it_leaves_everything_as_it_was(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove = Anonymity._prove
    async with at_once(dsn) as (client, hansard):
        conversation_id = await long_one(hansard)
        found = await hansard.repository.load(hansard.store.shard_of(USER), conversation_id)
        assert found

        async def late(self: Anonymity, *given: Any) -> Remainder:
            """Meanwhile it is there for nobody, and takes messages all the same."""
            path = f"/api/conversations/{conversation_id}"
            assert (await client.get(path, headers=by(USER))).status_code == 404
            assert (await client.get("/api/chat/history", headers=by(USER))).json()["messages"] == []
            await hansard.repository.change(Caller(USER), conversation_id, lambda *_: [said(777)])
            return await prove(self, *given)

        monkeypatch.setattr(Anonymity, "_prove", late)
        with pytest.raises(VersionConflict):
            await forget.anonymise(
                hansard, Caller(USER), conversation_id, terms=Terms(expected=found.version)
            )
        shown = await client.get("/api/chat/history?limit=1000", headers=by(USER))
        assert len(shown.json()["messages"]) == 103
        await asyncio.to_thread(follow, hansard)
    assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(0,)]
    assert main(["verify", "--dsn", dsn]) == 0
