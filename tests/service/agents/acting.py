"""An agent with two tools, and what its scripted model puts out."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from agents import Agent, ModelSettings, OpenAIResponsesModel, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

from tests.model import Model, Output

set_tracing_disabled(True)
numbers = count(1)


@function_tool
def height_of(tower: str) -> str:
    """How tall a tower is."""
    return f"{tower}: 330 metres"


@function_tool
def age_of(tower: str) -> str:
    """How old a tower is."""
    return f"{tower}: 137 years"


def agent_at(url: str, **more: Any) -> Agent[Any]:
    """Asks the model at this address."""
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    given = {"name": "Guide", "tools": [height_of, age_of], **more}
    model = OpenAIResponsesModel("gpt-scripted", client)
    return Agent(model=model, model_settings=ModelSettings(store=False), **given)


def thinks(thought: str) -> dict[str, Any]:
    return {
        "type": "reasoning",
        "id": f"rs_{next(numbers)}",
        "summary": [{"type": "summary_text", "text": thought}],
    }


def calls(name: str, arguments: str = '{"tower": "Eiffel"}') -> Any:
    number = next(numbers)
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def says(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": f"msg_{next(numbers)}",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def script(model: Model, *outputs: tuple[dict[str, Any], ...]) -> None:
    for each in outputs:
        model.answers(Output(each))


def told(items: Any) -> Iterator[str]:
    """Each item in a word: what was said, called and returned."""
    for item in items:
        match item.get("type"):
            case "function_call":
                yield f"{item['name']}()"
            case "function_call_output":
                yield f"= {item['output']}"
            case "reasoning":
                yield "…"
            case _ if isinstance(item["content"], str):
                yield item["content"]
            case _:
                yield str(item["content"][0]["text"])
