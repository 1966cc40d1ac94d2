"""Several who append to one session, and answers that are lost: nothing is lost or stored twice."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import httpx2
import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from httpx2 import AsyncClient

from service.agents.adk.session_service import HansardSessionService
from tests.service.agents.adk.acting import loaded, remembers, says, texts
from tests.service.agents.losing import Losing
from tests.service.openai.asking import Standing


@pytest.fixture
async def other(standing: Standing, backend: dict[str, str]) -> AsyncIterator[HansardSessionService]:
    """Another process of the same application knows nothing of what this one remembers."""
    async with AsyncClient(base_url=standing.url, headers=backend) as client:
        yield HansardSessionService(client)


async def test_two_services_that_append_at_once_lose_and_double_nothing(
    sessions: HansardSessionService, other: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann)
    refused = count()

    async def append(service: HansardSessionService, who: str) -> None:
        mine = await loaded(service, session)
        for number in range(15):
            delta = {f"{who}{number}": number, f"app:{who}": number, "last": who}
            event = says(f"{who} {number}", delta=delta)
            while True:
                try:
                    await service.append_event(mine, event)
                    break
                except StaleSessionError:
                    next(refused)
                    mine = await loaded(service, session)

    await asyncio.gather(append(sessions, "one"), append(other, "two"))
    assert next(refused) > 0
    found = await loaded(other, session)
    for who in ("one", "two"):
        assert [text for text in texts(found) if text.startswith(who)] == [f"{who} {n}" for n in range(15)]
        assert {found.state[f"{who}{number}"] for number in range(15)} == set(range(15))
        assert found.state[f"app:{who}"] == 14
    assert len(found.events) == 30
    assert found.state["last"] == texts(found)[-1].split()[0]


async def test_what_was_not_read_makes_a_session_stale(
    sessions: HansardSessionService, other: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann)
    stale = session.model_copy(deep=True)
    await other.append_event(session, says("Hi"))
    late = says("Hello", delta={"app:late": True, "temp:t": 1})
    with pytest.raises(StaleSessionError):
        await sessions.append_event(stale, late)
    assert stale.events == []
    assert stale.state == {}
    fresh = await loaded(sessions, stale)
    assert "app:late" not in fresh.state
    await sessions.append_event(fresh, late)
    assert await loaded(other, session) == fresh.model_copy(update={"state": {"app:late": True}})


async def test_one_session_that_several_tasks_append_to_takes_all(
    sessions: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann)
    await asyncio.gather(*(sessions.append_event(session, says(str(number))) for number in range(10)))
    assert await loaded(sessions, session) == session
    assert len(session.events) == 10


async def test_a_session_of_another_service_is_known_by_its_last_event(
    sessions: HansardSessionService, app: str, ann: str
) -> None:
    session = await sessions.create_session(app_name=app, user_id=ann)
    await sessions.append_event(session, says("Hi"))
    bare = type(session).model_validate(session.model_dump())
    await sessions.append_event(bare, says("Hello"))
    assert await loaded(sessions, session) == bare
    behind = type(session).model_validate(session.model_dump())
    with pytest.raises(StaleSessionError):
        await sessions.append_event(behind, says("Hello?"))


async def test_one_id_makes_one_session(
    sessions: HansardSessionService, other: HansardSessionService, app: str, ann: str
) -> None:
    made = await asyncio.gather(
        *(
            each.create_session(app_name=app, user_id=ann, session_id="one")
            for each in (sessions, other, sessions, other)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, AlreadyExistsError) for each in made) == 3


async def test_a_lost_answer_doubles_nothing(
    standing: Standing, backend: dict[str, str], app: str, ann: str
) -> None:
    losing = Losing()
    async with AsyncClient(base_url=standing.url, headers=backend, transport=losing) as client:
        sessions = HansardSessionService(client)
        losing.loses = 1
        session = await sessions.create_session(app_name=app, user_id=ann, session_id="one")
        losing.loses = 1
        await sessions.append_event(session, says("Hi"))
        losing.loses = 4
        event = says("Hello", delta={"user:asked": 1})
        with pytest.raises(httpx2.ReadError):
            await sessions.append_event(session, event)
        assert len(session.events) == 1
        await sessions.append_event(session, event)
        await sessions.append_event(session, event)
        assert texts(session) == ["Hi", "Hello"]
        assert await loaded(sessions, session) == session
        losing.loses = 1
        await sessions.delete_session(app_name=app, user_id=ann, session_id="one")
        assert not (await sessions.list_sessions(app_name=app, user_id=ann)).sessions


async def test_many_who_change_what_is_shared_lose_nothing(
    sessions: HansardSessionService, other: HansardSessionService, app: str, ann: str
) -> None:
    async def remember(service: HansardSessionService, number: int) -> None:
        session = await service.create_session(app_name=app, user_id=f"{ann}-{number % 2}")
        await service.append_event(session, remembers({f"app:{number}": 1, f"user:{number}": 1}))

    await asyncio.gather(*(remember([sessions, other][number % 2], number) for number in range(8)))
    session = await other.create_session(app_name=app, user_id=f"{ann}-0")
    assert sorted(session.state) == [*(f"app:{n}" for n in range(8)), *(f"user:{n}" for n in (0, 2, 4, 6))]
