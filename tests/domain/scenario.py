"""given([...]).when(lambda c: ...).then([...]): what is decided in the state that a history leads to."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.conversation import Conversation, Events, fold
from domain.errors import Refusal
from domain.events import ConversationStarted, Event, MessageAdded
from domain.message import Message, fold_message
from domain.recorded import Recorded

CONVERSATION = UUID("0199a000-0000-7000-8000-000000000001")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
STARTED = ConversationStarted()
QUESTION = MessageAdded(message_id="m1", role="user", content="How do I reset my password?")
ANSWER = MessageAdded(message_id="m2", role="assistant", content="Choose “Forgotten”.", in_reply_to="m1")


def recorded(events: Iterable[Event], user_id: str | None = "ada", first: int = 1) -> list[Recorded]:
    return [
        Recorded(7, 100 + version, CONVERSATION, version, event, NOON + timedelta(seconds=version), user_id)
        for version, event in enumerate(events, first)
    ]


def conversation(*events: Event) -> Conversation:
    folded = fold(recorded(events))
    assert folded is not None
    return folded


def message(*events: Event) -> Message | None:
    return fold_message(recorded(events, first=2))


class Decided:
    def __init__(self, state: Conversation, decide: Callable[[Conversation], Events]) -> None:
        self.state = state
        self.decide = decide

    def then(self, expected: Sequence[Event]) -> None:
        assert list(self.decide(self.state)) == list(expected)

    def then_nothing(self) -> None:
        self.then([])

    def then_refused(self, refusal: type[Refusal], **facts: Any) -> None:
        with pytest.raises(refusal) as caught:
            self.decide(self.state)
        assert type(caught.value) is refusal
        assert facts.items() <= caught.value.facts.items()


class Given:
    def __init__(self, events: Sequence[Event]) -> None:
        self.state = conversation(*events)

    def when(self, decide: Callable[[Conversation], Events]) -> Decided:
        return Decided(self.state, decide)


def given(events: Sequence[Event]) -> Given:
    return Given(events)
