"""Several processes that append to one session of ADK's, one of them killed: nothing is lost or doubled."""

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from google.adk.sessions.session import Session
from httpx2 import AsyncClient

from service.agents.adk.session_service import HansardSessionService
from tests.crash.adk_writer import begun, events_of, loaded
from tests.serving import serving

ROOT = Path(__file__).parents[2]
EVENTS = 40
WRITERS = ("one", "two", "three")
KILLED_AT = (10, 20, 30)
PATIENCE = 60.0


def writing(at_work: ExitStack, url: str, writer: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash.adk_writer", url, writer, str(EVENTS)]
    process = at_work.enter_context(subprocess.Popen(command, cwd=ROOT))
    at_work.callback(process.kill)
    return process


def by(writer: str, session: Session) -> int:
    return sum(event.author == writer for event in session.events)


async def test_writers_who_meet_and_are_killed_lose_and_double_nothing(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with serving("--workers", "2", data=data, output=output) as service, ExitStack() as at_work:
        async with AsyncClient(base_url=service.url) as client:
            sessions = HansardSessionService(client)
            await begun(sessions)
            others = [writing(at_work, service.url, writer) for writer in WRITERS[1:]]
            for number in KILLED_AT:
                killed = writing(at_work, service.url, WRITERS[0])
                async with asyncio.timeout(PATIENCE):
                    while by(WRITERS[0], await loaded(sessions)) < number:
                        assert killed.poll() is None
                killed.kill()
            others.append(writing(at_work, service.url, WRITERS[0]))
            assert [each.wait(PATIENCE) for each in others] == [0, 0, 0]
            session = await loaded(sessions)
    for writer in WRITERS:
        appended = [event for event in session.events if event.author == writer]
        assert appended == list(events_of(writer, EVENTS))
        assert session.state[f"app:{writer}"] == EVENTS - 1
    assert len(session.events) == EVENTS * len(WRITERS)
    assert len(session.state) == (EVENTS + 1) * len(WRITERS)
