"""What one process has erased, no other one answers from, builds on, or brings back."""

import asyncio
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.conversation import Conversation
from domain.errors import ConversationNotFound
from domain.recorded import Recorded
from projections.following.follower import Follower
from projections.rebuilding.rebuild import Rebuild
from service import commands
from service.hansard import Hansard, running
from service.privacy import forget
from service.settings.settings import Settings
from service.store.log import DatabaseLog
from service.store.repository import Caller
from tests.cluster import TOPOLOGY
from tests.conftest import SHARDS
from tests.listening import eventually
from tests.service.privacy.dumping import dumped
from tests.service.privacy.marking import MARKER, USER, marked, said
from tests.service.store.appending import BLOCKED, rows

HER = Caller(USER, USER)


def settings(dsn: str) -> Settings:
    return Settings(dsn=dsn, shards=SHARDS)


async def remembered(hansard: Hansard, conversation_id: UUID) -> Conversation:
    known = await hansard.repository.load(hansard.store.shard_of(USER), conversation_id)
    assert known is not None
    assert known.title is not None
    return known


@pytest.mark.parametrize("how", ["erase", "anonymise"])
async def test_another_process_neither_answers_from_what_it_remembers_nor_builds_on_it(
    dsn: str, how: str
) -> None:
    async with running(settings(dsn), dsn) as one, running(settings(dsn), dsn) as other:
        conversation_id = await marked(one)
        await remembered(other, conversation_id)
        if how == "erase":
            await forget.erase(one, HER, conversation_id)
        else:
            await forget.anonymise(one, HER, conversation_id)
        for wish in (
            commands.change_details(other.repository, HER, conversation_id, commands.Details(title="again")),
            commands.add_messages(other.repository, HER, conversation_id, [said(7)]),
            commands.end(other.repository, HER, conversation_id),
        ):
            with pytest.raises(ConversationNotFound):
                await wish
        known = await other.repository.load(other.store.shard_of(USER), conversation_id)
        assert known is not None
        assert (known.title, known.metadata, known.links) == (None, {}, ())
        assert known.user_id != USER


async def test_a_snapshot_that_another_process_saves_late_does_not_come_back(dsn: str) -> None:
    async with running(settings(dsn), dsn) as one, running(settings(dsn), dsn) as other:
        conversation_id = await marked(one, more=250)
        late = await remembered(other, conversation_id)
        await forget.erase(one, HER, conversation_id)
        await other.repository._save(other.store.shard_of(USER), late)
        ((state,),) = rows(
            dsn, "SELECT state FROM hansard.snapshots WHERE conversation_id = %s", conversation_id
        )
        assert msgspec.json.decode(state, type=Conversation).erased
        assert MARKER not in dumped(dsn)


async def test_what_is_erased_while_a_page_of_it_is_followed_is_not_in_what_comes_of_it(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        await asyncio.to_thread(hansard.follower.stop)
        conversation_id = await marked(hansard)
        loop, erasing = asyncio.get_running_loop(), list[Future[forget.Erased]]()

        class Slow(DatabaseLog):
            """Holds a page until the erasure is done, or waits for whoever holds it."""

            def pages(self, *given: Any) -> list[Recorded]:
                page = super().pages(*given)
                if not erasing:
                    erasing.append(
                        asyncio.run_coroutine_threadsafe(forget.erase(hansard, HER, conversation_id), loop)
                    )
                    eventually(lambda: erasing[0].done() or rows(dsn, BLOCKED) == [(1,)])
                return page

        def moved(projection: str) -> None:
            erasing[0].result(60)
            left[projection] = dumped(dsn).count(MARKER)

        left: dict[str, int] = {}
        follower = Follower(hansard.database.connect, Slow(), hansard.projections, on_progress=moved)
        await asyncio.to_thread(follower.run_once)
        assert left == {"search": 0, "usage": 0}


async def test_what_is_erased_while_it_is_replayed_is_not_in_what_comes_of_it(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        conversation_id = await marked(hansard, more=50)
        kept = await marked(hansard, "bob", "innocent")
        database = hansard.database
        await asyncio.to_thread(
            Follower(database.connect, DatabaseLog(TOPOLOGY), hansard.projections).run_once
        )
        erased: list[object] = []
        loop = asyncio.get_running_loop()

        def at_each_step(progress: object) -> None:
            """Once the first rows of the log were copied into the new tables."""
            copied = rows(dsn, "SELECT count(*) FROM pg_class WHERE relname = 'history_g2'") == [(1,)]
            if copied and not erased and rows(dsn, "SELECT count(*) FROM hansard.history_g2") != [(0,)]:
                erased.append(conversation_id)
                asyncio.run_coroutine_threadsafe(forget.erase(hansard, HER, conversation_id), loop).result(60)

        rebuild = Rebuild(database.connect, DatabaseLog(TOPOLOGY), hansard.projections, at_each_step)
        await asyncio.to_thread(rebuild.run)
        assert erased
        assert MARKER not in dumped(dsn)
        assert rows(dsn, "SELECT count(*) FROM hansard.history_g2 WHERE conversation_id = %s", kept) == [(2,)]


async def test_a_build_that_was_left_lying_loses_the_words_too(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        conversation_id = await marked(hansard, more=50)

        def stop(progress: object) -> None:
            if rows(dsn, "SELECT count(*) FROM pg_class WHERE relname = 'history_g2'") == [(1,)] and rows(
                dsn, "SELECT count(*) FROM hansard.history_g2"
            ) != [(0,)]:
                raise KeyboardInterrupt

        rebuild = Rebuild(hansard.database.connect, DatabaseLog(TOPOLOGY), hansard.projections, stop)
        with pytest.raises(KeyboardInterrupt):
            await asyncio.to_thread(rebuild.run)
        assert rows(dsn, "SELECT count(*) FROM hansard.history_g2") == [(52,)]
        await forget.erase(hansard, HER, conversation_id)
        assert MARKER not in dumped(dsn)
        assert rows(dsn, "SELECT count(*) FROM hansard.history_g2") == [(0,)]
        await asyncio.to_thread(
            Rebuild(hansard.database.connect, DatabaseLog(TOPOLOGY), hansard.projections).run
        )
        assert MARKER not in dumped(dsn)
