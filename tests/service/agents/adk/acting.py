"""Events as an agent of ADK's makes them, and one session of a user's."""

from typing import Any
from uuid import uuid4

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.session import Session
from google.genai.types import Content, FunctionCall, FunctionResponse, Part

from service.agents.adk.session_service import HansardSessionService


def says(text: str, author: str = "user", delta: dict[str, Any] | None = None) -> Event:
    return event(author, [Part(text=text)], "user" if author == "user" else "model", delta)


def calls(name: str, **args: Any) -> Event:
    return event("guide", [Part(function_call=FunctionCall(id=f"call-{name}", name=name, args=args))])


def returns(name: str, **response: Any) -> Event:
    answer = FunctionResponse(id=f"call-{name}", name=name, response=response)
    return event("guide", [Part(function_response=answer)], "user")


def remembers(delta: dict[str, Any]) -> Event:
    return event("guide", None, delta=delta)


def event(
    author: str, parts: list[Part] | None, role: str = "model", delta: dict[str, Any] | None = None
) -> Event:
    content = None if parts is None else Content(role=role, parts=parts)
    actions = EventActions(state_delta=delta or {})
    return Event(author=author, invocation_id=f"e-{uuid4()}", content=content, actions=actions)


def texts(session: Session) -> list[str]:
    """What was said in it; of other events, nothing."""
    parts = [part for event in session.events for part in (event.content and event.content.parts) or []]
    return [part.text for part in parts if part.text]


async def loaded(sessions: HansardSessionService, session: Session) -> Session:
    found = await sessions.get_session(
        app_name=session.app_name, user_id=session.user_id, session_id=session.id
    )
    assert found is not None
    return found
