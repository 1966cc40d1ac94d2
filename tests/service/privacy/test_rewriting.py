"""No event names its person once the tie is cut, wherever in it the person was named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from domain.events import ConversationAnonymised, ConversationErased, ConversationEvent, Event
from service.privacy.rewriting import without_person
from service.store.codec import topic_of

GOLDEN = Path(__file__).parents[2] / "golden"
USER = "person-42"
NEVER_ABOUT_A_USER = {ConversationErased, ConversationAnonymised}
"""They say who asked in words of the service's own."""
EVENTS = [each for each in get_args(ConversationEvent) if each not in NEVER_ABOUT_A_USER]


def naming(stored: Any) -> Iterator[Any]:
    """The same, with the user's id in place of one text after another, and of one name of a field."""
    if isinstance(stored, str):
        yield USER
    elif isinstance(stored, list):
        for place, each in enumerate(stored):
            for named in naming(each):
                yield [*stored[:place], named, *stored[place + 1 :]]
    elif isinstance(stored, dict):
        for key, each in stored.items():
            for named in naming(each):
                yield stored | {key: named}
            yield {name: value for name, value in stored.items() if name != key} | {USER: each}


def naming_the_user(kind: type[Event]) -> list[Event]:
    """Those of them that can be such an event: a role, for one, cannot be just anything."""
    stored = msgspec.json.decode((GOLDEN / f"{topic_of(kind)}.v1.json").read_bytes())
    events = []
    for named in naming(stored):
        try:
            event = msgspec.convert(named, kind)
        except msgspec.ValidationError:
            continue
        if USER.encode() in msgspec.json.encode(event):
            events.append(event)
    return events


@pytest.mark.parametrize("kind", EVENTS, ids=topic_of)
def test_no_event_names_its_person_once_the_tie_is_cut(kind: type[Event]) -> None:
    events = naming_the_user(kind)
    assert events
    for event in events:
        left = without_person(event, USER, "somebody")
        assert left is None or USER.encode() not in msgspec.json.encode(left), event
