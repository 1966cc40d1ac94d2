"""What stands in docs/agents.md, run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from service.agents.session import HansardSession
from tests.model import Model
from tests.service.agents.acting import agent_at, calls, says, script, told
from tests.service.api.calling import key, token
from tests.service.openai.asking import Standing, words

PAGE = (Path(__file__).parents[3] / "docs" / "agents.md").read_text("utf-8")
EXAMPLE, GOING_ON, ADK = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_runs(standing: Standing, model: Model) -> None:
    script(model, (calls("height_of"),), (says("330 metres."),))
    environ = {
        "HANSARD_URL": f"{standing.url}/v1",
        "HANSARD_TOKEN": token("user123"),
        "MODEL_URL": model.url,
        "OPENAI_API_KEY": "none",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    answer, *items = printed(EXAMPLE, environ)
    assert answer == "330 metres."
    assert len(items) == 4


def test_the_example_for_adk_runs(standing: Standing, model: Model) -> None:
    script(model, (calls("height_of"),), (says("330 metres."),))
    environ = {
        "HANSARD_URL": standing.url,
        "HANSARD_KEY": key(standing.dsn, "towers", "write"),
        "MODEL_URL": model.url,
        "OPENAI_API_KEY": "none",
    }
    called, returned, said, state = printed(ADK, environ)
    assert "height_of" in called
    assert "330" in returned
    assert "330 metres." in said
    assert state == "{'answer': '330 metres.'}"


def printed(program: str, environ: dict[str, str]) -> list[str]:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


async def test_every_question_is_asked_once(client: AsyncOpenAI, model: Model) -> None:
    defined: dict[str, Any] = {}
    exec(GOING_ON, defined)  # noqa: S102
    session, agent, questions = HansardSession("thr_questions", client), agent_at(model.url), ["one", "two"]
    await session.add_items([words("one")])
    script(model, (says("1"),), (says("2"),))
    for _ in range(2):
        await defined["answer"](agent, session, questions)
    assert list(told(await session.get_items())) == ["one", "1", "two", "2"]
