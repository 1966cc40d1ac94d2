"""What the page's modules leave behind when they wait: nothing, however often a connection breaks off."""

from typing import Any

from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import Visit

WAITS = """async () => {
    const { wait } = await import(document.querySelector("script[src]").src.replace("app.js", "api.js"));
    %s
}"""


def listeners(page: Page) -> list[int]:
    """How many listeners each signal that is alive in the page has."""
    devtools = page.context.new_cdp_session(page)
    found = devtools.send("Runtime.evaluate", {"expression": "AbortSignal.prototype"})
    prototype = found["result"]["objectId"]
    signals = devtools.send("Runtime.queryObjects", {"prototypeObjectId": prototype})["objects"]["objectId"]
    owned = devtools.send("Runtime.getProperties", {"objectId": signals, "ownProperties": True})["result"]
    counts = [count(devtools, each["value"]["objectId"]) for each in owned if each["name"].isdecimal()]
    devtools.detach()
    return counts


def count(devtools: CDPSession, signal: Any) -> int:
    return len(devtools.send("DOMDebugger.getEventListeners", {"objectId": signal})["listeners"])


def test_a_connection_that_is_lost_again_and_again_leaves_no_listener_behind(visit: Visit) -> None:
    page = visit()
    expect(page.get_by_text("No conversation yet.")).to_be_visible()
    page.clock.install()
    tries = 0

    def refuse(route: Any) -> None:
        nonlocal tries
        tries += 1
        route.abort()

    page.route("**/api/changes", refuse)
    page.reload()
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    while tries < 8:
        page.clock.run_for(15_000)
    assert max(listeners(page)) <= 1


def test_waiting_ends_with_its_time_or_with_its_signal(visit: Visit) -> None:
    page = visit()
    assert page.evaluate(WAITS % "return await wait(0, new AbortController().signal) ?? 'over'") == "over"
    during = """
        const leaving = new AbortController();
        const waited = wait(3600, leaving.signal).catch((failed) => failed.name);
        leaving.abort();
        return waited;"""
    assert page.evaluate(WAITS % during) == "AbortError"
    before = "return wait(0, AbortSignal.abort()).catch((failed) => failed.name)"
    assert page.evaluate(WAITS % before) == "AbortError"
