"""What the page believes of a reply when its stream breaks off, or never says that it has ended."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.between import Between, between
from tests.browser.conftest import Visit
from tests.browser.test_talking import said, say
from tests.model import CUT, Hold, Model
from tests.serving import Service

THE_END = b"event: done"


@pytest.fixture
def proxy(service: Service) -> Iterator[Between]:
    with between(service.url) as proxy:
        yield proxy


def one_can_send(page: Page) -> None:
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_a_reply_that_is_on_the_record_is_over_though_its_stream_never_says_so(
    visit: Visit, proxy: Between
) -> None:
    page = visit(url=proxy.url)
    proxy.keep_back(THE_END)
    say(page, "Before.")
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("Certainly.")
    one_can_send(page)
    proxy.go_away()
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    say(page, "In between.")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    proxy.come_back()
    expect(page.get_by_text("The connection is lost.")).to_be_hidden()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_have_count(2)
    assert said(page) == ["Before.", "Certainly.", "In between.", "Certainly."]


def test_while_nobody_answers_one_waits_for_no_reply_and_its_words_stay(
    visit: Visit, proxy: Between, model: Model
) -> None:
    page = visit(url=proxy.url)
    hold = Hold()
    model.answers("Once ", hold, "upon a time.")
    say(page, "Tell me a story.")
    hold.reached()
    expect(page.locator(".message-growing")).to_contain_text("Once")
    expect(page.get_by_role("button", name="Stop the reply")).to_be_visible()
    proxy.go_away()
    one_can_send(page)
    say(page, "In between.")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    assert said(page) == ["Tell me a story.", "Once", "In between."]
    hold.go()
    proxy.come_back()
    replies = page.locator(".message-assistant:not(.message-growing)")
    expect(replies).to_contain_text("Once upon a time.")
    page.get_by_role("button", name="Send again").click()
    expect(replies).to_have_count(2)
    assert said(page) == ["Tell me a story.", "Once upon a time.", "In between.", "Certainly."]


def test_a_reply_that_is_heard_again_can_be_stopped_again(visit: Visit, proxy: Between, model: Model) -> None:
    page = visit(url=proxy.url)
    hold = Hold()
    model.answers("Once ", hold, "upon a time.")
    say(page, "Tell me a story.")
    hold.reached()
    expect(page.locator(".message-growing")).to_contain_text("Once")
    proxy.go_away()
    one_can_send(page)
    proxy.come_back()
    expect(page.get_by_role("button", name="Stop the reply")).to_be_visible()
    hold.go()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("Once upon a time.")
    one_can_send(page)
    assert said(page) == ["Tell me a story.", "Once upon a time."]


def test_why_only_a_part_of_a_reply_came_is_said_though_the_part_is_on_the_record(
    visit: Visit, model: Model
) -> None:
    page = visit()
    model.answers("Once ", CUT)
    say(page, "Tell me a story.")
    expect(page.locator(".message-assistant .badge")).to_have_text("interrupted")
    expect(page.get_by_role("alert")).to_contain_text("The responder failed")
    one_can_send(page)
