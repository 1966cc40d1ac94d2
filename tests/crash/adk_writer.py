"""A process that appends so many events to one session of ADK's, beside others. Killed, it may begin anew."""

import asyncio
import sys
from collections.abc import Iterator

from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.session import Session
from httpx2 import AsyncClient

from service.agents.adk.session_service import HansardSessionService

APP, ANN, SESSION = "towers", "ann", "one"


def events_of(writer: str, many: int) -> Iterator[Event]:
    """The same whenever it is asked."""
    for number in range(many):
        delta = {f"{writer} {number}": number, f"app:{writer}": number}
        yield Event(
            id=f"{writer} {number}",
            author=writer,
            invocation_id=writer,
            timestamp=float(number),
            actions=EventActions(state_delta=delta),
        )


async def work(url: str, writer: str, many: int) -> None:
    async with AsyncClient(base_url=url) as client:
        sessions = HansardSessionService(client)
        session = await begun(sessions)
        for event in events_of(writer, many):
            while True:
                try:
                    await sessions.append_event(session, event)
                    break
                except StaleSessionError:
                    session = await loaded(sessions)


async def begun(sessions: HansardSessionService) -> Session:
    try:
        return await sessions.create_session(app_name=APP, user_id=ANN, session_id=SESSION)
    except AlreadyExistsError:
        return await loaded(sessions)


async def loaded(sessions: HansardSessionService) -> Session:
    found = await sessions.get_session(app_name=APP, user_id=ANN, session_id=SESSION)
    assert found is not None
    return found


if __name__ == "__main__":
    address, name, number = sys.argv[1:]
    asyncio.run(work(address, name, int(number)))
