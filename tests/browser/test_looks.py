"""Every page in light and dark, on a phone and on a desk: nothing that keeps anybody from using it."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Visit

Conversation = Callable[..., str]
Scheme = Literal["light", "dark"]
SIZES = {"desktop": DESKTOP, "phone": PHONE}
LONG = "Ein-Wort-das-niemals-endet-" * 8

MARKDOWN = """Here is how:

1. **Measure**, see [the guide](https://example.org).
2. Then *decide*.

```python
print("a line of code that is so long that it has to be scrolled sideways on every screen there is")
```

| System | Writes |
|:--|--:|
| plain | 220 |

- [x] done

> Quoted.
"""


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return "light" if request.param == "light" else "dark"


@pytest.fixture(params=sorted(SIZES))
def look(request: pytest.FixtureRequest, visit: Visit, scheme: Scheme) -> Callable[..., Page]:
    def open_page(path: str, **more: Any) -> Page:
        return visit(
            path, viewport=SIZES[request.param], color_scheme=scheme, reduced_motion="reduce", **more
        )

    return open_page


def is_fine(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "the page is wider than the screen"


def test_signing_in(look: Callable[..., Page]) -> None:
    page = look("/", who=None)
    expect(page.get_by_label("User")).to_be_focused()
    is_fine(page)


def test_an_empty_chat(look: Callable[..., Page]) -> None:
    page = look("/?new")
    expect(page.get_by_text("What is on your mind?")).to_be_visible()
    is_fine(page)


def test_a_conversation_and_its_menu_and_question(
    look: Callable[..., Page], conversation: Conversation
) -> None:
    conversation("Short", "Words")
    links = [{"kind": "opportunity", "id": LONG[:100]}]
    conversation_id = conversation("How?", MARKDOWN, LONG, LONG, title=LONG[:200], links=links)
    page = look(f"/c/{conversation_id}")
    expect(page.locator(".message")).to_have_count(4)
    is_fine(page)
    page.get_by_role("button", name="What can be done").click()
    expect(page.get_by_role("menuitem", name="Delete…")).to_be_visible()
    is_fine(page)
    page.get_by_role("menuitem", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    is_fine(page)


def test_the_list_and_a_search(look: Callable[..., Page], conversation: Conversation) -> None:
    conversation("A needle in the hay", "Found.", title=LONG[:200])
    page = look("/")
    expect(page.locator(".listed-all a")).to_have_count(1)
    is_fine(page)
    page.get_by_role("searchbox").fill("needle")
    expect(page.locator(".listed-found mark")).to_be_visible()
    is_fine(page)


def test_an_ended_conversation_and_one_that_is_not_there(
    look: Callable[..., Page], conversation: Conversation, api: Any
) -> None:
    conversation_id = conversation("Hello", "Goodbye")
    api.patch(f"/api/conversations/{conversation_id}", json={"ended": True}).raise_for_status()
    page = look(f"/c/{conversation_id}")
    expect(page.get_by_text("This conversation has ended.")).to_be_visible()
    is_fine(page)
    page = look("/c/0198c2a4-7d30-7b61-9c4e-2f8a51d0e7b3")
    expect(page.get_by_text("There is no such conversation")).to_be_visible()
    is_fine(page)


def test_the_history_of_a_conversation(look: Callable[..., Page], conversation: Conversation) -> None:
    page = look(f"/c/{conversation('How?', MARKDOWN, LONG, 'Yes.', title=LONG[:200])}/history")
    expect(page.locator(".history-events > li")).to_have_count(5)
    page.locator(".history-events summary").nth(1).click()
    is_fine(page)


def test_the_state_of_the_service(look: Callable[..., Page], conversation: Conversation) -> None:
    conversation("One", "Two")
    page = look("/service")
    expect(page.get_by_role("img")).to_have_count(4)
    is_fine(page)
