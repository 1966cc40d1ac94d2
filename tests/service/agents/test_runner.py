"""The Agents SDK's own Runner before a scripted model, with its items on Hansard's record."""

from typing import Any
from uuid import uuid4

import pytest
from agents import OpenAIConversationsSession, Runner, RunState, function_tool, handoff
from agents.memory import Session
from openai import AsyncOpenAI

from service.agents.session import HansardSession
from tests.model import Model
from tests.service.agents.acting import agent_at, calls, height_of, says, script, thinks, told

QUESTION = "How tall is the Eiffel Tower?"
ASKED = [QUESTION, "…", "height_of()", "= Eiffel: 330 metres", "330 metres."]


@pytest.fixture(params=["hansard", "openai"])
def session(request: pytest.FixtureRequest, client: AsyncOpenAI) -> Session:
    """Ours, and the one that comes with the package."""
    if request.param == "openai":
        return OpenAIConversationsSession(openai_client=client)
    return HansardSession(f"thr-{uuid4().hex}", client)


async def test_a_tool_is_called_and_all_of_it_is_kept(session: Session, model: Model) -> None:
    script(model, (thinks("A tower."), calls("height_of")), (says("330 metres."),))
    result = await Runner.run(agent_at(model.url), QUESTION, session=session)
    assert result.final_output == "330 metres."
    assert list(told(await session.get_items())) == ASKED


async def test_the_model_is_told_all_of_the_session(session: Session, model: Model) -> None:
    script(model, (thinks("A tower."), calls("height_of")), (says("330 metres."),), (says("Since 1889."),))
    await Runner.run(agent_at(model.url), QUESTION, session=session)
    await Runner.run(agent_at(model.url), "Since when?", session=session)
    assert list(told(model.asked[-1]["input"])) == [*ASKED, "Since when?"]
    assert list(told(await session.get_items())) == [*ASKED, "Since when?", "Since 1889."]
    assert list(told(await session.get_items(2))) == ["Since when?", "Since 1889."]


async def test_a_handoff_is_kept(session: Session, model: Model) -> None:
    historian = agent_at(model.url, name="Historian", tools=[])
    guide = agent_at(model.url, handoffs=[handoff(historian)])
    script(model, (calls("transfer_to_historian", "{}"),), (says("In 1889."),))
    result = await Runner.run(guide, "When was it built?", session=session)
    assert result.last_agent.name == "Historian"
    kept = list(told(await session.get_items()))
    assert kept[:2] == ["When was it built?", "transfer_to_historian()"]
    assert kept[-1] == "In 1889."


async def test_an_interrupted_run_goes_on_where_it_was(session: Session, model: Model) -> None:
    """Approved by somebody, elsewhere and later: its state is all that is carried there."""

    @function_tool(needs_approval=True)
    def tear_down(tower: str) -> str:
        return f"{tower} is gone"

    def agent() -> Any:
        return agent_at(model.url, tools=[tear_down, height_of])

    script(model, (calls("tear_down"),), (says("It is gone."),))
    waiting = await Runner.run(agent(), "Tear it down.", session=session)
    assert waiting.interruptions
    state = await RunState.from_json(agent(), waiting.to_state().to_json())
    state.approve(state.get_interruptions()[0])
    result = await Runner.run(agent(), state, session=session)
    assert result.final_output == "It is gone."
    kept = list(told(await session.get_items()))
    assert kept == ["Tear it down.", "tear_down()", "= Eiffel is gone", "It is gone."]


async def test_a_streamed_run_is_kept_too(client: AsyncOpenAI, model: Model) -> None:
    from agents import Agent, OpenAIChatCompletionsModel

    asking = AsyncOpenAI(base_url=model.url, api_key="none", max_retries=0)
    agent = Agent(name="Guide", model=OpenAIChatCompletionsModel("scripted", asking))
    session = HansardSession(f"thr-{uuid4().hex}", client)
    model.answers("330 ", "metres.")
    result = Runner.run_streamed(agent, QUESTION, session=session)
    assert [event async for event in result.stream_events()]
    assert list(told(await session.get_items())) == [QUESTION, "330 metres."]
