"""An agent at work in a process that may be killed: it asks so many questions, one after another.

Begun again it goes on where the record says that it is. A service that is away for a while is waited for.
"""

import asyncio
import sys
from typing import Any

import openai
from agents import Runner
from openai import AsyncOpenAI

from service.agents.session import HansardSession
from tests.model import Output
from tests.service.agents.acting import agent_at

LONGEST_WAIT = 60.0


async def work(url: str, token: str, model: str, session_id: str, turns: int) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=token) as client:
        agent, session = agent_at(model), HansardSession(session_id, client)
        while (at := await where(session)) != (turns, turns):
            asked, answered = at
            question: Any = [] if asked > answered else f"question {asked}"
            try:
                await Runner.run(agent, question, session=session)
            except openai.APIError as away:
                print(f"waits: {away!r}", file=sys.stderr, flush=True)  # noqa: T201
                await asyncio.sleep(0.2)


async def where(session: HansardSession) -> tuple[int, int]:
    """How many questions were asked, and how many of them answered."""
    while True:
        try:
            roles = [item.get("role") for item in await session.get_items()]
        except openai.APIError:
            await asyncio.sleep(0.2)
        else:
            return roles.count("user"), roles.count("assistant")


def replies(asked: dict[str, Any]) -> tuple[Output]:
    """The model: by what it is told it knows what it is asked next."""
    items = asked["input"]
    question = next(item["content"] for item in reversed(items) if item.get("role") == "user")
    number = question.removeprefix("question ")
    if items[-1].get("role") == "user":
        return (Output((thought(number), call("height_of", number), call("age_of", number))),)
    part = {"type": "output_text", "text": f"answer {number}", "annotations": []}
    answer = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed"}
    return (Output((answer | {"content": [part]},)),)


def thought(number: str) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{number}", "summary": [{"type": "summary_text", "text": "…"}]}


def call(name: str, number: str) -> dict[str, Any]:
    told = {"id": f"fc_{name}_{number}", "call_id": f"call_{name}_{number}", "name": name}
    return {"type": "function_call", "status": "completed", "arguments": '{"tower": "Eiffel"}', **told}


def turn(number: int) -> list[str]:
    """All that a session holds of it."""
    returned = ["= Eiffel: 330 metres", "= Eiffel: 137 years"]
    return [f"question {number}", "…", "height_of()", "age_of()", *returned, f"answer {number}"]


if __name__ == "__main__":
    address, shown, asks, name, many = sys.argv[1:]
    asyncio.run(work(address, shown, asks, name, int(many)))
