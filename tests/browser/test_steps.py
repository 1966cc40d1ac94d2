"""What an agent did stands between what was said, as what it is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.test_looks import is_fine

LONG = "a_word_that_never_ends_" * 30
ITEMS: list[dict[str, Any]] = [
    {"role": "system", "content": "Answer in one sentence, and look things up."},
    {"role": "user", "content": "Will it rain in Zürich?"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "The weather has to be looked up."}]},
    {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAABn"},
    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": f'{{"city":"{LONG}"}}'},
    {"type": "function_call_output", "call_id": "c1", "output": "Rain until noon\n<b>12 °C</b>"},
    {"type": "mcp_approval_request", "name": "book_taxi", "arguments": "{}", "server_label": "taxis"},
    {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": False,
        "reason": "Too dear",
    },
    {"type": "image_generation_call", "result": "iVBORw0=", "revised_prompt": "An umbrella in the rain"},
    {"type": "mood_of_the_agent", "text": "calm"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "**Yes**, until noon."}],
    },
]
NAMES = [
    "Instructions from the system",
    "You said",
    "Reasoning",
    "Reasoning",
    "Tool call",
    "Tool output",
    "Approval asked for",
    "Approval answered",
    "Image",
    "Item: mood of the agent",
    "The assistant said",
]
SHOWN = [
    "Will it rain in Zürich?",
    "get_weather(",
    "Rain until noon\n<b>12 °C</b>",
    "book_taxi({})",
    "refused: Too dear",
    "An umbrella in the rain",
    "Yes, until noon.",
]


@pytest.fixture
def agents(api: httpx.Client) -> str:
    answer = api.post("/api/conversations", json={"messages": [{"item": item} for item in ITEMS]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def is_shown(page: Page, within: str) -> None:
    steps = page.locator(within).locator(".message > article")
    expect(steps).to_have_count(len(NAMES))
    assert [step.get_attribute("aria-label") for step in steps.all()] == NAMES
    for words in SHOWN:
        expect(page.locator(within).get_by_text(words).first).to_be_visible()
    for name, words in (("Reasoning", "The weather has to be looked up."), ("Instructions", "Answer in one")):
        folded = page.locator(within).get_by_text(words)
        expect(folded).to_be_hidden()
        page.locator(within).locator("summary", has_text=name).first.click()
        expect(folded).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_chat_shows_what_an_agent_did(visit: Visit, agents: str, size: Any, scheme: str) -> None:
    page = visit(f"/c/{agents}", viewport=size, color_scheme=scheme, reduced_motion="reduce")
    is_shown(page, ".thread")
    is_fine(page)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_history_shows_what_an_agent_did(visit: Visit, agents: str, size: Any) -> None:
    page = visit(f"/c/{agents}/history", viewport=size, reduced_motion="reduce")
    is_shown(page, ".history-then")
    expect(page.get_by_text("The tool returned an output: “Rain until noon <b>12 °C</b>”")).to_be_visible()
    is_fine(page)


def test_a_long_output_is_cut_until_somebody_asks(
    visit: Visit, api: httpx.Client, conversation: Callable[..., str]
) -> None:
    conversation_id = conversation("Hi")
    item = {"type": "function_call_output", "call_id": "c", "output": "word " * 2_000}
    api.post(f"/api/conversations/{conversation_id}/messages", json={"item": item}).raise_for_status()
    page = visit(f"/c/{conversation_id}")
    output = page.get_by_label("Tool output").locator("pre")
    page.get_by_role("button", name="Show all 10,000 characters").click()
    expect(output).to_have_text(("word " * 2_000).strip())


def test_a_step_that_comes_in_is_shown(
    visit: Visit, api: httpx.Client, conversation: Callable[..., str]
) -> None:
    conversation_id = conversation("Hi", "Ho")
    page = visit(f"/c/{conversation_id}")
    expect(page.locator(".message")).to_have_count(2)
    item = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    api.post(f"/api/conversations/{conversation_id}/messages", json={"item": item}).raise_for_status()
    expect(page.get_by_text("look({})")).to_be_visible()
