"""The state of the service, and a replay that is watched to its end."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Visit

Conversation = Callable[..., str]


def test_a_replay_is_watched_to_its_end_and_proved(visit: Visit, conversation: Conversation) -> None:
    conversation(*(f"Number {n}" for n in range(200)))
    page = visit("/service")
    expect(page.locator("dl").filter(has_text="Lanes")).to_contain_text("Lanes1")
    projections = page.get_by_role("region", name="Projections").get_by_role("row")
    expect(projections).to_have_count(5)
    expect(projections.filter(has_text="history")).to_contain_text("in step with every append")
    row = projections.filter(has_text="history")
    generation = int(row.get_by_role("cell").nth(3).inner_text())

    page.get_by_role("button", name="Build anew").click()
    verdict = page.locator(".replay-outcome")
    expect(verdict).to_contain_text("Built, and live.")
    expect(page.get_by_label("Report")).to_contain_text("history is built: generation")
    expect(row.get_by_role("cell").nth(3)).to_have_text(str(generation + 1))

    page.get_by_role("button", name="Check").click()
    expect(verdict).to_contain_text("Equal: every row is what the log says.")
    expect(page.get_by_label("Report")).to_contain_text("rows are what the log says")
    expect(page.get_by_role("button", name="Build anew")).to_be_enabled()


def test_what_was_said_shows_in_the_plots(visit: Visit, conversation: Conversation) -> None:
    conversation("One", "Two", "Three")
    page = visit("/service")
    for name in ("Messages a minute", "How long appends take", "Messages a day", "Tokens a day"):
        expect(page.get_by_role("img", name=re.compile(name))).to_be_visible()
    day = page.get_by_role("img", name=re.compile("Messages a day"))
    expect(day).to_have_attribute("aria-label", re.compile(r"[1-9]\S* messages in 30 days"))
