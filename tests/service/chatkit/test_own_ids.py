"""Ids: nothing leaves under the one that all models by Chat Completions give."""

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import count
from typing import Any

from chatkit.types import (
    AssistantMessageItem,
    ClientToolCallItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadStreamEvent,
)

from service.chatkit.own_ids import NOBODYS, with_own_ids

AT = datetime(2026, 3, 14, 9, 26)  # noqa: DTZ001 - as ChatKit's own package has it


def message(item_id: str = NOBODYS) -> AssistantMessageItem:
    return AssistantMessageItem(id=item_id, thread_id="t", created_at=AT, content=[])


def call() -> ClientToolCallItem:
    return ClientToolCallItem(
        id=NOBODYS, thread_id="t", created_at=AT, call_id="c", name="position", arguments={}
    )


async def ids(*events: ThreadStreamEvent) -> list[tuple[str, str]]:
    async def given() -> AsyncIterator[ThreadStreamEvent]:
        for event in events:
            yield event

    numbers = count(1)
    own: list[Any] = [each async for each in with_own_ids(given(), lambda kind: f"{kind}-{next(numbers)}")]
    return [
        (
            event.type.rpartition(".")[2],
            event.item_id if "item_id" in event.model_fields_set else event.item.id,
        )
        for event in own
    ]


async def test_a_message_keeps_its_own_id_until_it_is_done_and_the_next_gets_another() -> None:
    added, done = ThreadItemAddedEvent(item=message()), ThreadItemDoneEvent(item=message())
    replaced = ThreadItemReplacedEvent(item=message())
    assert await ids(added, replaced, done, added, done) == [
        ("added", "message-1"),
        ("replaced", "message-1"),
        ("done", "message-1"),
        ("added", "message-2"),
        ("done", "message-2"),
    ]


async def test_a_tool_call_is_an_item_of_its_own_beside_the_message() -> None:
    added, called = ThreadItemAddedEvent(item=message()), ThreadItemDoneEvent(item=call())
    done = ThreadItemDoneEvent(item=message())
    assert await ids(added, called, done) == [
        ("added", "message-1"),
        ("done", "tool_call-2"),
        ("done", "message-1"),
    ]


async def test_what_a_guardrail_takes_back_is_everything_that_was_said_under_no_id() -> None:
    added, done = ThreadItemAddedEvent(item=message()), ThreadItemDoneEvent(item=message())
    removed = ThreadItemRemovedEvent(item_id=NOBODYS)
    assert (await ids(added, done, added, removed))[-2:] == [
        ("removed", "message-1"),
        ("removed", "message-2"),
    ]
    assert await ids(removed) == []


async def test_an_id_of_its_own_is_left_alone() -> None:
    assert await ids(ThreadItemDoneEvent(item=message("mine"))) == [("done", "mine")]
