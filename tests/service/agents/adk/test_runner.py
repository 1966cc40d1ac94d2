"""ADK's own Runner before a scripted model, with its events on Hansard's record."""

from typing import Any

from google.adk.agents import Agent
from google.adk.integrations.openai import OpenAIResponsesLlm
from google.adk.runners import Runner
from google.adk.tools.tool_context import ToolContext
from google.genai.types import Content, Part
from httpx2 import AsyncClient

from service.agents.adk.session_service import HansardSessionService
from tests.model import Model
from tests.service.agents.acting import calls, says, script
from tests.service.agents.adk.acting import texts


def height_of(tower: str, tool_context: ToolContext) -> dict[str, Any]:
    """How tall a tower is."""
    tool_context.state["tower"] = tower
    tool_context.state["user:asked"] = tool_context.state.get("user:asked", 0) + 1
    return {"metres": 330}


def guide(model: Model) -> Agent:
    llm = OpenAIResponsesLlm(model="gpt-scripted", base_url=model.url, api_key="none", store=False)
    return Agent(name="guide", model=llm, tools=[height_of], output_key="answer")


async def ask(sessions: HansardSessionService, app: str, ann: str, model: Model, question: str) -> list[str]:
    """In a process that knows nothing of what was asked before."""
    runner = Runner(app_name=app, agent=guide(model), session_service=sessions, auto_create_session=True)
    asked = Content(role="user", parts=[Part(text=question)])
    events = [event async for event in runner.run_async(user_id=ann, session_id="one", new_message=asked)]
    return [
        part.text for event in events for part in (event.content and event.content.parts) or [] if part.text
    ]


async def test_a_run_is_kept_and_gone_on_with(
    sessions: HansardSessionService, hansard: AsyncClient, app: str, ann: str, model: Model
) -> None:
    script(model, (calls("height_of"),), (says("330 metres."),), (says("Since 1889."),))
    assert await ask(sessions, app, ann, model, "How tall is it?") == ["330 metres."]
    assert await ask(HansardSessionService(hansard), app, ann, model, "Since when?") == ["Since 1889."]
    found = await sessions.get_session(app_name=app, user_id=ann, session_id="one")
    assert found is not None
    assert texts(found) == ["How tall is it?", "330 metres.", "Since when?", "Since 1889."]
    assert found.state == {"tower": "Eiffel", "answer": "Since 1889.", "user:asked": 1}
    told = str(model.asked[-1]["input"])
    for each in ("How tall is it?", "height_of", "330 metres.", "Since when?"):
        assert each in told
