"""Drafts: one running reply a conversation, for all processes, and what a dead process leaves."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from service.hansard import pool_of
from service.replies.drafts import Draft, Drafts, DraftUpdate
from service.store.connections import Database
from service.store.ids import new_id
from tests.conftest import SHARDS

DRAFT = Draft(3, new_id(), "reply-1", "ann", "question-1", True)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[AsyncConnectionPool]:
    async with pool_of(Database.open(dsn), 4) as pool:
        yield pool


@pytest.fixture
def mine(pool: AsyncConnectionPool) -> Drafts:
    return Drafts(pool, new_id())


@pytest.fixture
def other(pool: AsyncConnectionPool) -> Drafts:
    return Drafts(pool, new_id())


def dead(pool: AsyncConnectionPool) -> Drafts:
    """A process whose leases run out as soon as it takes them."""
    return Drafts(pool, new_id(), lease=-1)


def kept(content: bytes | None, draft: Draft = DRAFT) -> DraftUpdate:
    return DraftUpdate(draft.shard, draft.conversation_id, draft.reply_id, content)


async def found(drafts: Drafts, conversation_id: UUID = DRAFT.conversation_id) -> Draft:
    draft = await drafts.of_conversation(DRAFT.shard, conversation_id)
    assert draft is not None
    return draft


async def test_a_conversation_has_one_running_reply_whichever_process_would_start_another(
    mine: Drafts, other: Drafts
) -> None:
    assert await mine.claim(DRAFT)
    assert not await other.claim(replace(DRAFT, reply_id="reply-2"))
    assert not await mine.claim(replace(DRAFT, reply_id="reply-2"))
    assert await found(other) == DRAFT


async def test_the_text_so_far_is_what_was_saved_last_nul_and_all(mine: Drafts, other: Drafts) -> None:
    await mine.claim(DRAFT)
    assert await mine.keep([kept("Ein Stück\0 Käse".encode())]) == {"reply-1": False}
    assert await mine.keep([kept(None)]) == {"reply-1": False}
    assert (await found(other)).text == "Ein Stück\0 Käse"


async def test_several_are_saved_at_once_in_whichever_shards(mine: Drafts) -> None:
    drafts = [Draft(each % 3, new_id(), f"reply-{each}", "ann", "q", False) for each in range(7)]
    for draft in drafts:
        await mine.claim(draft)
    assert len(await mine.keep([kept(draft.reply_id.encode(), draft) for draft in drafts])) == 7
    for draft in drafts:
        stored = await mine.of_conversation(draft.shard, draft.conversation_id)
        assert stored == replace(draft, content=draft.reply_id.encode())


async def test_only_the_process_that_gives_a_reply_saves_it(mine: Drafts, other: Drafts) -> None:
    await mine.claim(DRAFT)
    assert await other.keep([kept(b"not mine")]) == {}
    assert (await found(mine)).text == ""


async def test_that_somebody_wants_it_to_stop_is_heard_when_it_is_saved(mine: Drafts, other: Drafts) -> None:
    await mine.claim(DRAFT)
    await other.want_stop(await found(other))
    assert await mine.keep([kept(b"so far")]) == {"reply-1": True}


async def test_a_draft_that_was_dropped_makes_room_for_the_next(mine: Drafts) -> None:
    await mine.claim(DRAFT)
    await mine.drop(replace(DRAFT, reply_id="another"))
    assert not await mine.claim(DRAFT)
    await mine.drop(DRAFT)
    assert await mine.claim(DRAFT)


async def test_one_that_was_forgotten_is_not_its_process_s_any_more(mine: Drafts, other: Drafts) -> None:
    await mine.claim(DRAFT)
    await other.forget(DRAFT.shard, DRAFT.conversation_id)
    assert await mine.keep([kept(b"so far")]) == {}


async def test_a_live_one_is_no_orphan_and_nobody_takes_it_over(mine: Drafts, other: Drafts) -> None:
    await mine.claim(DRAFT)
    assert await other.orphans(range(SHARDS)) == []
    assert await other.adopt(DRAFT) is None


async def test_an_orphan_is_taken_over_by_one_process_with_its_text(
    pool: AsyncConnectionPool, mine: Drafts, other: Drafts
) -> None:
    gone = dead(pool)
    await gone.claim(DRAFT)
    await gone.keep([kept(b"so far")])
    (orphan,) = await mine.orphans(range(SHARDS))
    assert (orphan.reply_id, orphan.is_orphan) == ("reply-1", True)
    taken = await mine.adopt(orphan)
    assert taken is not None
    assert (taken.text, taken.is_orphan) == ("so far", False)
    assert await other.adopt(orphan) is None
    assert await gone.keep([kept(b"more")]) == {}


async def test_a_users_running_replies_are_counted_without_the_orphans(
    pool: AsyncConnectionPool, mine: Drafts
) -> None:
    await mine.claim(DRAFT)
    await mine.claim(replace(DRAFT, conversation_id=new_id()))
    await mine.claim(replace(DRAFT, conversation_id=new_id(), user_id="bob"))
    await dead(pool).claim(replace(DRAFT, conversation_id=new_id()))
    assert await mine.count(DRAFT.shard, "ann") == 2
