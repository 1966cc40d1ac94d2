"""A small record with the proportions of a large one: conversations of so many messages, of many lengths."""

import random
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from domain.events import ConversationStarted, Event, MessageAdded
from service.bench.logs import Talk, asked
from service.bench.messages import rare, words
from service.bench.planned import PlannedRecord
from service.store.append import Append
from service.store.ids import new_id
from service.store.store import Store

AT_ONCE: Final = 500
"""So many conversations go on at the same time: each has a second sitting once so many others have begun."""
LONGEST: Final = 20_000
SHORT: Final = 0.4
LONG: Final = 1.6
"""Beside the mean: what users say is short, and what they are told is long."""
SPREAD: Final = 0.9
"""Of the logarithm of lengths: most messages are shorter than the mean, and a few are far longer."""
CHARACTERS: Final = 4_000_000


class Sample:
    """Of a few users, who have as many conversations each as those of the large record."""

    def __init__(self, planned: PlannedRecord, messages: int) -> None:
        self._each = planned.of_conversation
        self._content = planned.content
        self._chance = random.Random(1)  # noqa: S311 - the same sample each time
        self._text = flowing(self._chance)
        conversations = max(1, messages // self._each)
        users = max(1, conversations // planned.of_user)
        names = [f"user-{uuid4()}" for _ in range(users)]
        self.talks = [Talk(names[number % users], new_id()) for number in range(conversations)]

    @property
    def messages(self) -> int:
        return len(self.talks) * self._each

    def appends(self, store: Store) -> Iterator[Append]:
        """Each conversation in two sittings, a stretch of others in between."""
        first = -(-self._each // 2)
        for at in range(len(self.talks) + AT_ONCE):
            if at < len(self.talks):
                yield asked(store, self.talks[at], [ConversationStarted(), *self.said(first)])
            if at >= AT_ONCE and self._each > first:
                yield asked(store, self.talks[at - AT_ONCE], self.said(self._each - first))

    def said(self, count: int) -> list[Event]:
        return [self.message(number) for number in range(count)]

    def message(self, number: int) -> MessageAdded:
        content = self.content(self._content * (LONG if number % 2 else SHORT))
        return MessageAdded(str(new_id()), "assistant" if number % 2 else "user", content)

    def content(self, mean: float) -> str:
        """Any piece of the text, and one rare word."""
        drawn = mean * self._chance.lognormvariate(-(SPREAD**2) / 2, SPREAD)
        length = min(LONGEST, max(1, round(drawn)))
        begin = self._chance.randrange(len(self._text) - length)
        return f"{self._text[begin : begin + length]} {rare(self._chance.randrange(10**6))}"


def flowing(chance: random.Random) -> str:
    """As in a language, a few words make up most of it."""
    vocabulary = words()
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    return " ".join(chance.choices(vocabulary, weights, k=CHARACTERS // 7))
