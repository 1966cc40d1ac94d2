"""Finding one's way: many conversations, very long ones, search, and what can be done with each."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit

Conversation = Callable[..., str]

MOST_SHOWN = 300
NUMBER = re.compile(r"Number (\d+)")
HALF_A_PIXEL = 0.5
"""A browser scrolls by whole ones."""


def act(page: Page, name: str) -> None:
    page.get_by_role("button", name="What can be done").click()
    page.get_by_role("menuitem", name=name).click()


@pytest.mark.timeout(400)
def test_switching_among_five_hundred_conversations(visit: Visit, conversation: Conversation) -> None:
    ids = [conversation(f"Question {n}", f"Answer {n}") for n in range(500)]
    page = visit()
    links = page.locator(".listed-all a")
    expect(links.first).to_contain_text("Question 499")
    scroller = page.locator(".listed-scroller")
    while links.count() < 500:
        before = links.count()
        scroller.evaluate("each => each.scrollTop = each.scrollHeight")
        expect(links.nth(before)).to_be_attached()
    addresses = [str(each.get_attribute("href")) for each in links.all()]
    assert addresses == [f"/c/{each}" for each in reversed(ids)]
    for number in (0, 250, 499):
        links.nth(499 - number).click()
        expect(page.locator(".message-body").last).to_have_text(f"Answer {number}")
        expect(page.get_by_role("heading", level=2)).to_have_text(f"Question {number}")
        expect(page.locator(".listed a[aria-current]")).to_have_count(1)
    page.go_back()
    expect(page.locator(".message-body").last).to_have_text("Answer 250")
    page.go_forward()
    expect(page.locator(".message-body").last).to_have_text("Answer 499")
    page.goto(page.url)
    expect(page.locator(".message-body").last).to_have_text("Answer 499")


@pytest.mark.timeout(400)
def test_twenty_thousand_messages_are_scrolled_to_the_start_and_the_page_stays_small(
    visit: Visit, conversation: Conversation, api: httpx.Client
) -> None:
    conversation_id = conversation()
    for batch in range(20):
        messages = [
            {"role": ("user", "assistant")[n % 2], "content": f"Number {batch * 1000 + n}"}
            for n in range(1000)
        ]
        api.post(
            f"/api/conversations/{conversation_id}/messages/batch", json={"messages": messages}
        ).raise_for_status()
    page = visit(f"/c/{conversation_id}")
    expect(page.locator(".message-body").last).to_have_text("Number 19999")
    seen: set[int] = set()
    scroller = page.locator(".thread-scroller")
    beginning = page.get_by_text("The beginning")
    while not beginning.is_visible():
        texts = page.locator(".message-body").all_inner_texts()
        numbers = [int(match[1]) for text in texts if (match := NUMBER.match(text))]
        assert len(numbers) <= MOST_SHOWN
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "in order, and none missing"
        seen.update(numbers)
        scroller.evaluate("each => each.scrollTop = 0")
        page.wait_for_function(
            """first => document.querySelector('.message-body').textContent !== first
                || document.querySelector('.thread-edge').textContent === 'The beginning'""",
            arg=texts[0],
        )
    texts = page.locator(".message-body").all_inner_texts()
    seen.update(int(match[1]) for text in texts if (match := NUMBER.match(text)))
    assert texts[0] == "Number 0"
    assert seen == set(range(20_000))
    page.get_by_role("button", name="To the newest").click()
    expect(page.locator(".message-body").last).to_have_text("Number 19999")


def test_older_messages_come_in_without_a_jump(visit: Visit, conversation: Conversation) -> None:
    said = [
        f"Number {n} " + "and more words than fit into one line of the page " * (n % 5) for n in range(300)
    ]
    page = visit(f"/c/{conversation(*said)}")
    expect(page.locator(".message-body").last).to_contain_text("Number 299")
    seen = """wanted => {
        const all = [...document.querySelectorAll('.message-body')];
        const each = all.find(each => each.textContent === (wanted ?? all[3].textContent));
        return [each.textContent, each.getBoundingClientRect().top, all[0].textContent];
    }"""
    scroll = "document.querySelector('.thread-scroller').scrollTop = 50"
    text, top, first = page.evaluate(f"() => {{ {scroll}; return ({seen})(); }}")
    page.wait_for_function(
        "first => document.querySelector('.message-body').textContent !== first", arg=first
    )
    assert page.evaluate(seen, text)[:2] == [text, pytest.approx(top, abs=HALF_A_PIXEL)]


def test_a_search_leads_to_the_message(visit: Visit, conversation: Conversation) -> None:
    said = [f"Message {n} about gardens" for n in range(400)]
    said[123] = "Here is the <b>needle</b> & thread, alone."
    path = f"/c/{conversation(*said)}"
    page = visit()
    page.get_by_role("searchbox").fill("needle")
    result = page.locator(".listed-found")
    expect(result.locator("mark")).to_have_text("needle")
    expect(result.locator(".listed-snippet")).to_contain_text("<b>needle</b> & thread")
    result.get_by_role("link").click()
    found = page.locator(".message-found")
    expect(found).to_contain_text("Here is the")
    expect(found).to_be_in_viewport()
    assert path in page.url
    page.get_by_role("searchbox").fill("nowhere-to-be-found")
    expect(page.get_by_text("Nothing said holds “nowhere-to-be-found”.")).to_be_visible()
    page.get_by_role("searchbox").press("Escape")
    expect(page.locator(".listed-all a")).to_have_count(1)


def test_rename_end_reopen_and_delete(visit: Visit, conversation: Conversation, api: httpx.Client) -> None:
    conversation_id = conversation("Hello?", "Hello!")
    page, other = visit(f"/c/{conversation_id}"), visit()
    act(page, "Rename…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("A better name")
    dialog.get_by_role("button", name="Rename").click()
    for each in (page, other):
        expect(each.locator(".listed-all a")).to_contain_text("A better name")
    act(page, "End")
    expect(page.get_by_text("This conversation has ended.")).to_be_visible()
    expect(other.locator(".listed-ended")).to_have_text("Ended")
    page.get_by_label("Active only").check()
    expect(page.get_by_text("No conversation fits these filters.")).to_be_visible()
    page.get_by_label("Active only").uncheck()
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()

    act(page, "Delete…")
    page.get_by_role("button", name="Cancel").click()
    assert api.get(f"/api/conversations/{conversation_id}").status_code == 200
    act(page, "Delete…")
    expect(page.get_by_role("dialog")).to_contain_text("“A better name” and all its messages are erased")
    page.get_by_role("button", name="Delete for good").click()
    for each in (page, other):
        expect(each.locator(".listed-all a")).to_have_count(0)
    assert api.get(f"/api/conversations/{conversation_id}").status_code == 404


def test_only_what_is_linked_to_an_opportunity(visit: Visit, conversation: Conversation) -> None:
    conversation("One", links=[{"kind": "opportunity", "id": "opp_1"}])
    conversation("Two", links=[{"kind": "opportunity", "id": "opp_2"}])
    page = visit()
    links = page.locator(".listed-all a")
    expect(links).to_have_count(2)
    page.get_by_label("Only this opportunity").fill("opp_1")
    page.keyboard.press("Enter")
    expect(links).to_have_count(1)
    expect(links).to_contain_text("One")
    page.get_by_role("button", name="Show all, not only").click()
    expect(links).to_have_count(2)
    links.first.click()
    page.get_by_role("button", name="opportunity opp_2").click()
    expect(links).to_have_count(1)
    expect(links).to_contain_text("Two")


def test_what_is_written_as_a_script_is_only_words(visit: Visit, conversation: Conversation) -> None:
    hostile = [
        "<script>window.caught = 1</script>",
        "<script>window.caught = 1</script>",
        '<img src=x onerror="window.caught = 1">',
        '<img src=x onerror="window.caught = 1"> ![x](javascript:window.caught=1)',
        "[go](javascript:window.caught=1)",
        "[go](javascript:window.caught=1) [also](data:text/html,<script>) <svg onload=window.caught=1>",
        "[ref]: javascript:window.caught=1",
        "```html\n<script>window.caught = 1</script>\n```\n"
        "| <img src=x onerror=alert(1)> |\n|---|\n| [x](vbscript:y) |",
    ]
    conversation_id = conversation(*hostile, title=hostile[0])
    page = visit(f"/c/{conversation_id}")
    expect(page.locator(".message")).to_have_count(len(hostile))
    assert page.locator("#app script, #app img, #app iframe").count() == 0
    assert page.locator(".message svg:not(.icon)").count() == 0
    for link in page.locator(".message a").all():
        assert str(link.get_attribute("href")).startswith(("http", "mailto:"))
    for each in page.get_by_text(re.compile("^(go|also)$")).all():
        each.click()
    page.get_by_role("searchbox").fill("window.caught")
    expect(page.locator(".listed-found").first).to_be_visible()
    page.goto(page.url + "/history")
    expect(page.locator(".history-events > li")).to_have_count(len(hostile) + 1)
    assert page.evaluate("window.caught") is None
