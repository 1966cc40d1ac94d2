"""What a process remembers of conversations: no more bytes than it may, whatever they hold."""

import asyncio
import gc
import tracemalloc
from typing import Any
from uuid import uuid4

import pytest

from service import commands
from service.store import memory
from service.store.repository import Caller
from tests.service.store.appending import said
from tests.service.store.processes import repository_on

ANN = Caller("ann", "ann", "request-1")
MEGABYTE = 1024 * 1024


def wordy() -> dict[str, Any]:
    """Some 16 kB of it, as JSON."""
    return {f"key {number}": {"value": str(uuid4()), "more": [number, str(number)]} for number in range(200)}


@pytest.fixture
def traced() -> Any:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_many_conversations_with_much_to_remember_take_no_more_than_they_may(
    dsn: str, monkeypatch: pytest.MonkeyPatch, traced: None
) -> None:
    monkeypatch.setattr(memory, "MOST_BYTES", MEGABYTE)
    async with repository_on(dsn) as repository:
        before = taken()
        for _ in range(60):
            await commands.start_conversation(repository, ANN, metadata=wordy())
        assert taken() - before < 2 * MEGABYTE
        kept = repository._memory
        assert 5 < len(kept) < 50
        assert MEGABYTE / 2 < kept.size <= MEGABYTE


async def test_what_is_counted_is_about_what_is_taken(dsn: str, traced: None) -> None:
    async with repository_on(dsn) as repository:
        before = taken()
        made = await asyncio.gather(
            *(commands.start_conversation(repository, ANN, metadata=wordy()) for _ in range(30))
        )
        for changed in made:
            assert changed.conversation
            await commands.add_messages(
                repository, ANN, changed.conversation.id, [said("x" * 1_000)], ids_are_new=True
            )
        del made, changed
        kept = repository._memory
        assert len(kept) == 30
        assert kept.size / 2 < taken() - before < kept.size * 2


async def test_one_that_is_larger_than_all_may_be_is_remembered_while_it_is_written_to(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_BYTES", 10)
    async with repository_on(dsn) as repository:
        first = (await commands.start_conversation(repository, ANN, metadata=wordy())).conversation
        second = (await commands.start_conversation(repository, ANN)).conversation
        assert first
        assert second
        assert len(repository._memory) == 1
        for each in (first, second, first):
            await commands.add_messages(repository, ANN, each.id, [said()], ids_are_new=True)
        assert len(repository._memory) == 1


def taken() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
