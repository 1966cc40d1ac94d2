"""What a session's entries amount to: its events, and the state that they have made."""

from collections.abc import Iterable

import msgspec
from google.adk.events.event import Event
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session
from msgspec import Struct

from service.agents.adk.answers import Entry
from service.agents.adk.events import event_in
from service.agents.adk.record import ReadUpTo
from service.agents.adk.states import STATE, State, by_scope, state_in


class EventsAndState(Struct, frozen=True):
    state: State
    events: list[Event]


def told_by(entries: Iterable[Entry]) -> EventsAndState:
    state: State = {}
    events: list[Event] = []
    for entry in entries:
        if entry.item.get("type") == STATE:
            state |= state_in(entry.item)
        elif (event := event_in(entry)) is not None:
            state |= by_scope(event.actions.state_delta).session
            events.append(event)
    return EventsAndState(state, events)


def wanted(events: list[Event], config: GetSessionConfig | None) -> list[Event]:
    """The newest so many, and of these the last ones that are not too old."""
    if config is None:
        return events
    if config.num_recent_events is not None:
        events = events[len(events) - min(config.num_recent_events, len(events)) :]
    if config.after_timestamp is not None:
        old = [at for at, event in enumerate(events) if event.timestamp < config.after_timestamp]
        events = events[old[-1] + 1 if old else 0 :]
    return events


def mark(session: Session, place: ReadUpTo) -> None:
    """Remembers up to where the session was read, where ADK has room for that."""
    session._storage_update_marker = msgspec.json.encode(place).decode()


def marked(session: Session) -> ReadUpTo | None:
    """None where it came without a mark, or with one of another service."""
    try:
        return msgspec.json.decode(session._storage_update_marker or "", type=ReadUpTo)
    except msgspec.DecodeError:
        return None
