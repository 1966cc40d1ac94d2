"""What a first visit costs: the bytes that come over the wire, by the browser's own count."""

from collections import Counter
from typing import Any

from playwright.sync_api import Browser, expect

from service.web.files import LATER
from tests.serving import Service

MOST_BYTES = 70_000


def test_a_first_load_of_the_chat_is_under_seventy_kilobytes(
    browser: Browser, service: Service, user: str
) -> None:
    context = browser.new_context()
    context.add_init_script(f"localStorage.setItem('hansard.user', '{user}')")
    page = context.new_page()
    asked: dict[str, str] = {}
    bytes_of: dict[str, int] = {}

    def loaded(event: dict[str, Any]) -> None:
        bytes_of[event["requestId"]] = event["encodedDataLength"]

    def answered(event: dict[str, Any]) -> None:
        asked[event["requestId"]] = event["response"]["url"].removeprefix(service.url)

    devtools = context.new_cdp_session(page)
    devtools.on("Network.responseReceived", answered)
    devtools.on("Network.loadingFinished", loaded)
    devtools.send("Network.enable")
    page.goto(f"{service.url}/", wait_until="load")
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    expect(page.get_by_text("No conversation yet.")).to_be_visible()

    context.close()
    own = [each for each in bytes_of if "/api/" not in asked[each]]
    sizes = Counter({asked[each].rpartition("/")[2]: bytes_of[each] for each in own})
    assert len(sizes) == len(own), "each comes once"
    assert {"", "app.js", "marked.js", "tokens.css", "listed.css"} <= set(sizes)
    assert set(sizes).isdisjoint(each.rpartition("/")[2] for each in LATER)
    assert sizes.total() < MOST_BYTES, sizes.most_common()
