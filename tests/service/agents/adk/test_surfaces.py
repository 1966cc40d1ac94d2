"""A session of ADK's through the other surfaces, and what they say in a session of ADK's."""

from typing import Any

import pytest
from google.adk.errors import StaleSessionError
from google.adk.sessions.session import Session
from httpx2 import AsyncClient
from openai import AsyncOpenAI

from service.agents.adk.names import session_name
from service.agents.adk.session_service import HansardSessionService
from tests.service.agents.adk.acting import calls, loaded, remembers, returns, says, texts


async def asked(client: AsyncClient, method: str, session: Session, path: str = "", **given: Any) -> Any:
    name = session_name(session.app_name, session.id)
    answer = await client.request(
        method, f"/api/conversations/{name}{path}", params={"user_id": session.user_id}, **given
    )
    answer.raise_for_status()
    return answer.json()


@pytest.fixture
async def session(sessions: HansardSessionService, app: str, ann: str) -> Session:
    session = await sessions.create_session(
        app_name=app, user_id=ann, session_id="thr_towers", state={"floor": 1}
    )
    for event in (
        says("How tall is the Eiffel Tower?"),
        calls("height_of", tower="Eiffel"),
        returns("height_of", metres=330),
        remembers({"tower": "Eiffel"}),
        says("330 metres.", "guide"),
    ):
        await sessions.append_event(session, event)
    return session


async def test_what_was_said_is_said_everywhere(session: Session, hansard: AsyncClient) -> None:
    conversation = await asked(hansard, "GET", session)
    assert conversation["title"] == "How tall is the Eiffel Tower?"
    page = await asked(hansard, "GET", session, "/messages")
    words = [(each["role"], each["content"]) for each in page["messages"]]
    assert words == [("user", "How tall is the Eiffel Tower?"), ("assistant", "330 metres.")]
    query = {"user_id": session.user_id, "q": "metres"}
    found = (await hansard.get("/api/search", params=query)).json()
    assert [each["snippet"] for each in found["results"]] == ["<mark>metres</mark>"]


async def test_openais_client_reads_what_the_agent_did(session: Session, client: AsyncOpenAI) -> None:
    name = session_name(session.app_name, session.id)
    items: list[Any] = [each async for each in client.conversations.items.list(name, order="asc")]
    assert [item.type for item in items] == [
        "adk_state",
        "message",
        "function_call",
        "function_call_output",
        "adk_event",
        "message",
    ]
    call, output = items[2:4]
    assert (call.name, call.arguments) == ("height_of", '{"tower": "Eiffel"}')
    assert (output.call_id, output.output) == (call.call_id, '{"metres": 330}')


async def test_what_is_said_elsewhere_is_an_event(
    session: Session, hansard: AsyncClient, sessions: HansardSessionService
) -> None:
    for role, content in (("user", "And how old?"), ("assistant", "137 years.")):
        await asked(hansard, "POST", session, "/messages", json={"role": role, "content": content})
    with pytest.raises(StaleSessionError):
        await sessions.append_event(session, says("Hello?"))
    found = await loaded(sessions, session)
    assert texts(found)[-2:] == ["And how old?", "137 years."]
    assert [event.author for event in found.events[-2:]] == ["user", "assistant"]
    await sessions.append_event(found, says("Thank you."))
    assert await loaded(sessions, found) == found


async def test_a_new_title_or_a_rating_makes_no_session_stale(
    session: Session, hansard: AsyncClient, sessions: HansardSessionService
) -> None:
    await asked(hansard, "PATCH", session, json={"title": "Towers"})
    page = await asked(hansard, "GET", session, "/messages")
    message = page["messages"][0]["id"]
    await asked(hansard, "PUT", session, f"/messages/{message}/rating", json={"rating": "good"})
    await sessions.append_event(session, says("And how old?"))
    assert await loaded(sessions, session) == session


async def test_a_session_that_is_deleted_is_erased(
    session: Session, hansard: AsyncClient, sessions: HansardSessionService
) -> None:
    conversation = (await asked(hansard, "GET", session))["id"]
    query = {"app_name": session.app_name, "user_id": session.user_id, "session_id": session.id}
    await sessions.delete_session(**query)
    history = await hansard.get(f"/api/conversations/{conversation}/events")
    assert history.is_success
    assert "Eiffel" not in history.text
    assert "thr_towers" not in history.text
