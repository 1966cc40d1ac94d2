"""The history of a conversation: every event in words, in full, and how it stood after each."""

from collections.abc import Callable

import httpx
from playwright.sync_api import expect

from tests.browser.conftest import Visit

Conversation = Callable[..., str]


def test_the_slider_shows_the_conversation_as_it_stood_at_any_version(
    visit: Visit, conversation: Conversation, api: httpx.Client
) -> None:
    conversation_id = conversation("How tall?", "330 metres.", title="Towers")
    api.patch(f"/api/conversations/{conversation_id}", json={"title": "Eiffel Tower"}).raise_for_status()
    api.patch(f"/api/conversations/{conversation_id}", json={"ended": True}).raise_for_status()
    page = visit(f"/c/{conversation_id}/history")
    entries = page.locator(".history-events > li")
    expect(entries).to_have_count(5)
    expect(entries.nth(3)).to_contain_text("The title was changed from “Towers” to “Eiffel Tower”")
    expect(page.get_by_text("The chain of 5 events holds")).to_be_visible()
    stood = page.get_by_role("region", name="How it stood")
    expect(stood.get_by_role("heading", name="Eiffel Tower")).to_be_visible()
    expect(stood).to_contain_text("Ended")

    slider = page.get_by_role("slider")
    shown = {
        1: ("Towers", []),
        2: ("Towers", ["How tall?"]),
        3: ("Towers", ["How tall?", "330 metres."]),
        4: ("Eiffel Tower", ["How tall?", "330 metres."]),
    }
    for version, (title, messages) in shown.items():
        slider.fill(str(version))
        expect(stood).to_contain_text(f"Version {version} of 5")
        expect(stood.get_by_role("heading", name=title)).to_be_visible()
        expect(stood.locator(".message-body")).to_have_text(messages)
        expect(entries.nth(version - 1)).to_have_class("history-now")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(stood).to_contain_text("Version 3 of 5")
    entries.nth(1).get_by_role("button").click()
    expect(stood).to_contain_text("Version 2 of 5")
    page.reload()
    expect(stood).to_contain_text("Version 2 of 5")

    entries.nth(3).locator("summary").click()
    expect(entries.nth(3)).to_contain_text('"title": "Eiffel Tower"')
    page.get_by_role("link", name="Back to the conversation").click()
    expect(page.get_by_text("This conversation has ended.")).to_be_visible()


def test_a_long_history_is_shown_as_one_scrolls(visit: Visit, conversation: Conversation) -> None:
    said = [f"Number {n}" for n in range(180)]
    page = visit(f"/c/{conversation(*said)}/history")
    entries = page.locator(".history-events > li")
    expect(entries.first).to_contain_text("The conversation was started")
    for number in (50, 100, 150, 180):
        page.mouse.wheel(0, 100_000)
        expect(entries.nth(number)).to_be_attached()
    expect(entries.nth(180)).to_contain_text("Number 179")


def test_a_conversation_is_exported_from_its_history(visit: Visit, conversation: Conversation) -> None:
    page = visit(f"/c/{conversation('How tall?', '330 metres.', title='Towers / 2')}/history")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "Towers  2.jsonl"
    lines = download.value.path().read_text().splitlines()
    assert any("330 metres." in each for each in lines)
