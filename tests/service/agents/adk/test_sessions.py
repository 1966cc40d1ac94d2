"""What ADK asks of a session service, where ours could differ from the package's own."""

import subprocess
import sys
from typing import Any

import pytest
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai.types import Blob, Content, FunctionCall, FunctionResponse, GroundingMetadata, Part
from httpx2 import AsyncClient

from service.agents.adk.errors import Refused
from service.agents.adk.session_service import HansardSessionService
from tests.service.agents.adk.acting import loaded, remembers, says, texts
from tests.service.api.calling import bearer, key
from tests.service.openai.asking import Standing

EVERYTHING = Event(
    author="guide",
    invocation_id="e-1",
    content=Content(
        role="model",
        parts=[
            Part(text="Let me think.", thought=True, thought_signature=b"\x00\xff?>"),
            Part(text="A tower: \0 Zürich 🗼"),
            Part(function_call=FunctionCall(id="1", name="height_of", args={"tower": None, "deep": [{}]})),
            Part(function_call=FunctionCall(id="2", name="age_of", args={})),
            Part(function_response=FunctionResponse(id="1", name="height_of", response={"metres": 330.0})),
            Part(inline_data=Blob(data=bytes(range(256)), mime_type="image/png")),
            Part(text="That is all."),
        ],
    ),
    actions=EventActions(
        state_delta={"none": None, "nested": {"none": None, "list": [1, 2.5, "three"]}},
        artifact_delta={"plan.pdf": 2},
        transfer_to_agent="historian",
    ),
    grounding_metadata=GroundingMetadata(web_search_queries=["towers"]),
    custom_metadata={"none": None},
    long_running_tool_ids={"1", "2"},
    error_code="SAFETY",
    turn_complete=True,
    branch="guide.historian",
)


@pytest.mark.parametrize("event", [EVERYTHING, says("Hi"), remembers({"a": 1}), Event(author="guide")])
async def test_an_event_comes_back_whole(
    sessions: HansardSessionService, app: str, ann: str, event: Event
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann)
    await sessions.append_event(session, event)
    found = await loaded(sessions, session)
    assert found.events == [event]
    assert found == session


@pytest.mark.parametrize(
    "session_id",
    ["thr_1", "a/b", "a:b", "100%", "%2F", "Zürich 🗼", "..", "0198C2A4-7D31-7F02-8A19-6BE4C07D5F18", "q?#&"],
)
async def test_a_session_may_be_called_anything(
    sessions: HansardSessionService, app: str, ann: str, session_id: str
) -> None:
    apps = (app, f"{app}:a", f"the/{app} 100%")
    for name in apps:
        session = await sessions.create_session(
            app_name=name, user_id=ann, session_id=session_id, state={"app": name}
        )
        await sessions.append_event(session, says("Hi"))
        assert await loaded(sessions, session) == session
        with pytest.raises(AlreadyExistsError):
            await sessions.create_session(app_name=name, user_id=ann, session_id=session_id)
    for name in apps:
        listed = (await sessions.list_sessions(app_name=name, user_id=ann)).sessions
        assert [(each.id, each.state) for each in listed] == [(session_id, {"app": name})]
        await sessions.delete_session(app_name=name, user_id=ann, session_id=session_id)
        assert not (await sessions.list_sessions(app_name=name, user_id=ann)).sessions


async def test_the_newest_events_are_read_and_the_state_of_all(
    sessions: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann, state={"start": 0})
    for number in range(5):
        await sessions.append_event(session, says(str(number), delta={f"n{number}": number}))

    async def read(**config: Any) -> list[str]:
        found = await sessions.get_session(
            app_name=app, user_id=ann, session_id=session.id, config=GetSessionConfig(**config)
        )
        assert found is not None
        assert found.state == session.state
        return texts(found)

    assert await read(num_recent_events=2) == ["3", "4"]
    assert await read(num_recent_events=0) == []
    assert await read(num_recent_events=9) == ["0", "1", "2", "3", "4"]
    third = session.events[2].timestamp
    assert await read(after_timestamp=third) == ["2", "3", "4"]
    assert await read(after_timestamp=third, num_recent_events=2) == ["3", "4"]
    assert await read(after_timestamp=session.last_update_time + 1) == []


async def test_more_events_than_a_page_holds_come_in_order(
    sessions: HansardSessionService, app: str, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.agents.adk.record.PAGE", 3)
    session = await sessions.create_session(app_name=app, user_id=ann, state={"start": 0})
    for number in range(10):
        await sessions.append_event(session, says(str(number)))
    assert await loaded(sessions, session) == session


async def test_of_a_user_the_application_remembers_what_its_sessions_share(
    sessions: HansardSessionService, app: str, ann: str
) -> None:
    given = {"app:motto": "up", "user:name": "Ann", "floor": 1, "temp:t": 1}
    session = await sessions.create_session(app_name=app, user_id=ann, state=given)
    await sessions.append_event(session, remembers({"user:name": None, "app:list": [1], "temp:x": 2}))
    other = await sessions.create_session(app_name=session.app_name, user_id=ann)
    assert other.state == {"app:motto": "up", "app:list": [1], "user:name": None}
    bob = await sessions.create_session(app_name=session.app_name, user_id=f"{ann}-bob")
    assert bob.state == {"app:motto": "up", "app:list": [1]}
    assert await sessions.get_user_state(app_name=session.app_name, user_id=ann) == {"name": None}
    everybody = (await sessions.list_sessions(app_name=session.app_name)).sessions
    assert [each.id for each in everybody] == [session.id, other.id, bob.id]
    assert everybody[0].state == other.state | {"floor": 1}


async def test_to_a_deleted_session_nothing_is_added(
    sessions: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann, session_id="one")
    await sessions.append_event(session, says("Hi"))
    for _ in range(2):
        await sessions.delete_session(app_name=app, user_id=ann, session_id="one")
    with pytest.raises(SessionNotFoundError):
        await sessions.append_event(session, says("Hello?"))
    again = await sessions.create_session(app_name=app, user_id=ann, session_id="one")
    with pytest.raises(SessionNotFoundError):
        await sessions.append_event(session, says("Hello?"))
    assert (await loaded(sessions, again)).events == []


async def test_what_the_record_cannot_hold_is_refused(
    sessions: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann)
    with pytest.raises(UnicodeEncodeError):
        await sessions.append_event(session, says("\ud800"))
    with pytest.raises(Refused, match="out-of-range"):
        await sessions.append_event(session, remembers({"number": 2**64}))
    with pytest.raises(Refused, match="content-too-long"):
        await sessions.append_event(session, says("x" * 1_000_001))
    assert session.events == []
    await sessions.append_event(session, remembers({"number": 2**64 - 1}))
    assert await loaded(sessions, session) == session


async def test_a_key_that_only_writes_lists_one_users_sessions(
    standing: Standing, app: str, ann: str
) -> None:
    headers = bearer(key(standing.dsn, "adk-writer", "write"))
    async with AsyncClient(base_url=standing.url, headers=headers) as client:
        sessions = HansardSessionService(client)
        session = await sessions.create_session(app_name=app, user_id=ann)
        await sessions.append_event(session, says("Hi", delta={"app:a": 1, "user:b": 2}))
        listed = await sessions.list_sessions(app_name=app, user_id=ann)
        assert [each.id for each in listed.sessions] == [session.id]
        with pytest.raises(Refused, match="scope-missing"):
            await sessions.list_sessions(app_name=app)


def test_it_loads_nothing_of_the_service() -> None:
    program = "import service.agents.adk.session_service, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = set(loaded.stdout.split())
    assert not names & {"litestar", "psycopg", "granian", "agents", "openai"}
    ours = {
        name for name in names if name.startswith("service") and not name.startswith("service.agents.adk")
    }
    assert ours == {"service", "service.agents"}
