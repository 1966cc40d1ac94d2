"""Events to stored bytes and back, for every version of an event that was ever released."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec

from domain.errors import EventUnreadable
from domain.events import ConversationEvent, Event
from domain.recorded import Foreign, Redacted

Raw = dict[str, Any]
Upcast = Callable[[Raw], Raw]

# Old topic → the next version's topic, and what makes the old state into the next one's. Each step knows one
# version only and is never edited again; an event of any age takes as many steps as it needs.
#     "message_added": ("message_added.v2", lambda raw: {**raw, "language": None})
UPCASTERS: Final[Mapping[str, tuple[str, Upcast]]] = MappingProxyType({})


class Codec:
    """Knows the current class of each topic, and the way there from every topic before it."""

    def __init__(self, current: tuple[type[Event], ...], upcasters: Mapping[str, tuple[str, Upcast]]) -> None:
        self.types: Final = {topic_of(event): event for event in current}
        self.upcasters: Final = dict(upcasters)
        self._topics: Final = {event: topic for topic, event in self.types.items()}
        self._decode: Final = {topic: msgspec.json.Decoder(each).decode for topic, each in self.types.items()}
        self._encode: Final = msgspec.json.Encoder().encode
        for topic in self.upcasters:
            if self._newest(topic) not in self.types:
                raise ValueError(f"the upcasters lead {topic} to {self._newest(topic)}, which is no event")

    def encode(self, event: Event) -> tuple[str, bytes]:
        topic = self._topics.get(type(event))
        if topic is not None:
            return topic, self._encode(event)
        if isinstance(event, Foreign):
            return event.topic, event.state
        raise TypeError(f"{type(event).__name__} is not an event that can be stored")

    def decode(self, topic: str, state: bytes | None) -> Event:
        if state is None:
            return Redacted(topic=topic)
        try:
            decode = self._decode.get(topic)
            if decode is not None:
                return decode(state)
            if topic in self.upcasters:
                return self._upcast(topic, state)
        except Exception as broken:  # an upcaster may fail in any way, on a state that it did not expect
            raise EventUnreadable(topic=topic, why=str(broken) or type(broken).__name__) from broken
        return Foreign(topic=topic, state=bytes(state))

    def _upcast(self, topic: str, state: bytes) -> Event:
        raw = msgspec.json.decode(state, type=Raw)
        raw.pop(TAG_FIELD, None)  # it names the version that was stored, which the newest class would refuse
        while topic in self.upcasters:
            topic, upcast = self.upcasters[topic]
            raw = upcast(raw)
        return msgspec.convert(raw, self.types[topic])

    def _newest(self, topic: str) -> str:
        seen = set()
        while topic in self.upcasters:
            if topic in seen or topic in self.types:
                raise ValueError(f"the upcasters lead on from {topic}, which is current, or in a circle")
            seen.add(topic)
            topic = self.upcasters[topic][0]
        return topic


def topic_of(event: type[Event]) -> str:
    return str(event.__struct_config__.tag)


def message_id_of(event: Event) -> str | None:
    """Which message the event is about: what a message's own few events are found by."""
    return getattr(event, "message_id", None)


TAG_FIELD: Final = "event"
CODEC: Final = Codec(get_args(ConversationEvent), UPCASTERS)


def topics(*names: str) -> list[str]:
    """As they were ever stored: with every version of each."""
    return [topic for topic in (*CODEC.types, *CODEC.upcasters) if topic.partition(".")[0] in names]


encode = CODEC.encode
decode = CODEC.decode
