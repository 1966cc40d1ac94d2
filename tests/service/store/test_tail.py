"""Whoever watches hears of all that concerns them, in order and once, whichever process has stored it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service import commands
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store import tail, watched
from service.store.repository import Caller
from service.store.store import shard_of
from service.store.watched import Change, Heard, Missed
from tests.conftest import SHARDS
from tests.service.store.appending import said

PATIENCE = 30.0
ANN, SHARD = "ann", shard_of("ann", SHARDS)
NEIGHBOUR = next(
    name for name in (f"neighbour-{each}" for each in range(1_000)) if shard_of(name, SHARDS) == SHARD
)
"""Somebody else whose log it is too."""
CONVERSATIONS = 20


async def say(hansard: Hansard, user_id: str, messages: int = 1) -> None:
    """One event more than the messages."""
    new = [said() for _ in range(messages)]
    await commands.start_conversation(hansard.repository, Caller(user_id, user_id), first_messages=new)


async def say_much(hansard: Hansard, user_id: str) -> None:
    for _ in range(CONVERSATIONS):
        await say(hansard, user_id)


async def hear(heard: AsyncIterator[Heard], number: int) -> list[Change | Missed]:
    """The next so many."""
    found: list[Change | Missed] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < number:
            found += await anext(heard)
    return found


def positions(heard: list[Change | Missed]) -> list[int]:
    return [each.position for each in heard]


async def test_what_two_processes_append_at_once_is_told_in_order_and_once(dsn: str) -> None:
    async with running(Settings(), dsn) as one, running(Settings(), dsn) as other:
        anns = one.changes.after(SHARD, ANN, 0, PATIENCE)
        neighbours = other.changes.after(SHARD, NEIGHBOUR, 0, PATIENCE)
        async with asyncio.TaskGroup() as group:
            for each in (one, other):
                group.create_task(say_much(each, ANN))
                group.create_task(say_much(each, NEIGHBOUR))
            heard = await hear(anns, 4 * CONVERSATIONS)
            overheard = await hear(neighbours, 4 * CONVERSATIONS)
    assert sorted(positions(heard) + positions(overheard)) == list(range(1, 8 * CONVERSATIONS + 1))
    assert positions(heard) == sorted(positions(heard))
    assert {each.user_id for each in heard if isinstance(each, Change)} == {ANN}
    assert {each.user_id for each in overheard if isinstance(each, Change)} == {NEIGHBOUR}


async def test_whoever_comes_back_hears_what_the_others_have_heard_already(dsn: str) -> None:
    async with running(Settings(), dsn) as hansard:
        first = hansard.changes.after(SHARD, ANN, 0, PATIENCE)
        await say(hansard, ANN, 5)
        heard = await hear(first, 6)
        back = hansard.changes.after(SHARD, ANN, 2, PATIENCE)
        missed = await hear(back, 4)
        assert missed == heard[2:]
        ahead = hansard.changes.after(SHARD, ANN, 8, PATIENCE)
        nothing = asyncio.create_task(hear(ahead, 1))
        await asyncio.sleep(0)
        await say(hansard, ANN, 2)
        assert positions(await hear(back, 3)) == [7, 8, 9]
        assert positions(await nothing) == [9]


async def test_whoever_missed_too_much_is_told_to_look_again(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_BEHIND", 3)
    async with running(Settings(), dsn) as hansard:
        await say(hansard, ANN, 4)
        heard = hansard.changes.after(SHARD, ANN, 1, PATIENCE)
        assert await hear(heard, 1) == [Missed(5)]
        await say(hansard, ANN, 1)
        assert positions(await hear(heard, 2)) == [6, 7]


async def test_whoever_does_not_take_what_happens_is_told_to_look_again(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "MOST_UNHEARD", 3)
    async with running(Settings(), dsn) as hansard:
        heard = hansard.changes.after(SHARD, ANN, 0, PATIENCE)
        await say(hansard, ANN, 1)
        await hear(heard, 2)
        await say(hansard, ANN, 5)
        found = await hear(heard, 1)
        assert found[0] == Missed(6)
        assert positions(found) == [6, 7, 8]


async def test_nobody_who_has_gone_is_remembered(dsn: str) -> None:
    async with running(Settings(), dsn) as hansard:
        heard = hansard.changes.after(SHARD, ANN, 0, PATIENCE)
        await say(hansard, ANN)
        await hear(heard, 2)
        await heard.aclose()  # type: ignore[attr-defined]
        assert not hansard.changes._watched
