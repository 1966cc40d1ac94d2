"""What a person does in between: goes back too early, clicks twice, leaves before an answer has come."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE, Visit
from tests.browser.test_reading import act
from tests.browser.test_talking import said, say
from tests.model import Hold, Model

Conversation = Callable[..., str]


def test_going_back_closes_a_question_and_nothing_else_is_deleted_by_it(
    visit: Visit, conversation: Conversation
) -> None:
    kept, other = conversation("Keep me"), conversation("Delete me")
    page = visit(f"/c/{kept}")
    expect(page.locator(".message")).to_have_count(1)
    page.locator(f".listed a[href='/c/{other}']").click()
    expect(page.get_by_role("heading", name="Delete me")).to_be_visible()
    act(page, "Delete…")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Keep me")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".listed-all a")).to_have_count(2)


def test_a_second_click_on_send_does_not_stop_the_reply(visit: Visit, model: Model) -> None:
    page = visit()
    hold = Hold()
    model.answers("One, ", hold, "two.")
    page.get_by_role("textbox", name="Message").fill("Count.")
    page.get_by_role("button", name="Send").dblclick()
    hold.reached()
    hold.go()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("One, two.")
    assert said(page) == ["Count.", "One, two."]


def test_a_reply_that_is_stopped_before_it_has_begun_is_stopped_when_it_does(
    visit: Visit, model: Model
) -> None:
    page = visit()
    asked: list[Route] = []
    page.route("**/api/chat/stream", lambda route: asked.append(route))
    hold = Hold()
    model.answers("Never ", hold, "mind.")
    say(page, "Wait.")
    page.get_by_role("button", name="Stop the reply").click()
    asked.pop().continue_()
    expect(page.locator(".message-assistant .badge, .message-failed").first).to_be_visible()
    hold.go()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_a_page_that_comes_too_late_does_not_take_the_place_of_another(
    visit: Visit, conversation: Conversation
) -> None:
    page = visit(f"/c/{conversation('Slow?')}")
    expect(page.locator(".message")).to_have_count(1)
    held: list[Route] = []
    page.route("**/assets/*/history.js", lambda route: held.append(route))
    act(page, "History")
    expect(page).to_have_url(re.compile("/history$"))
    page.go_back()
    expect(page.locator(".message")).to_have_count(1)
    with page.expect_response("**/assets/*/history.js"):
        held.pop().continue_()
    script = str(page.locator("script[src]").get_attribute("src"))
    page.evaluate("async url => { await import(url) }", script.replace("app.js", "history.js"))
    expect(page.locator(".chat .message")).to_have_count(1)


def test_one_comes_back_from_the_history_to_where_one_was(visit: Visit, conversation: Conversation) -> None:
    page = visit(f"/c/{conversation(*(f'Number {n}' for n in range(40)))}")
    expect(page.get_by_text("Number 39", exact=True)).to_be_in_viewport()
    act(page, "History")
    expect(page.get_by_role("slider")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Number 39", exact=True)).to_be_in_viewport()


def test_what_was_said_arrives_though_one_goes_to_another_conversation_at_once(
    visit: Visit, conversation: Conversation, api: httpx.Client
) -> None:
    one, other = conversation("First"), conversation("Second")
    page = visit(f"/c/{one}")
    expect(page.locator(".message")).to_have_count(1)
    held: list[Route] = []
    page.route("**/api/chat/stream", lambda route: held.append(route))
    say(page, "On its way.")
    page.locator(f".listed a[href='/c/{other}']").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    with page.expect_response("**/api/chat/stream"):
        held.pop().continue_()
    page.locator(f".listed a[href='/c/{one}']").click()
    expect(page.locator(".message-assistant:not(.message-growing)").last).to_contain_text("Certainly.")
    stored = api.get(f"/api/conversations/{one}/messages").json()["messages"]
    assert [each["content"] for each in stored] == ["First", "On its way.", "Certainly."]


def test_what_could_not_be_sent_is_there_again_when_one_comes_back(
    visit: Visit, conversation: Conversation
) -> None:
    one, other = conversation("First"), conversation("Second")
    page = visit(f"/c/{one}")
    expect(page.locator(".message")).to_have_count(1)
    page.route("**/api/chat/stream", lambda route: route.abort())
    say(page, "Not to be lost.")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.locator(f".listed a[href='/c/{other}']").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    page.locator(f".listed a[href='/c/{one}']").click()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Not to be lost.")


def test_what_had_arrived_though_its_answer_was_lost_is_stored_once_when_it_is_sent_again(
    visit: Visit, conversation: Conversation, api: httpx.Client
) -> None:
    one, other = conversation("First"), conversation("Second")
    page = visit(f"/c/{one}")
    expect(page.locator(".message")).to_have_count(1)

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/chat/stream", lose_the_answer)
    say(page, "Did you hear me?")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/api/chat/stream")
    page.locator(f".listed a[href='/c/{other}']").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    page.locator(f".listed a[href='/c/{one}']").click()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Did you hear me?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("Certainly.")
    stored = api.get(f"/api/conversations/{one}/messages").json()["messages"]
    assert [each["content"] for each in stored] == ["First", "Did you hear me?", "Certainly."]


def test_a_change_elsewhere_leaves_the_focus_in_the_list_where_it_is(
    visit: Visit, conversation: Conversation, api: httpx.Client
) -> None:
    older = conversation("Older")
    page = visit()
    link = page.locator(f".listed a[href='/c/{older}']")
    link.focus()
    conversation("Newer")
    expect(page.locator(".listed-all a")).to_have_count(2)
    expect(link).to_be_focused()
    api.patch(f"/api/conversations/{older}", json={"title": "Renamed"}).raise_for_status()
    expect(link).to_contain_text("Renamed")
    expect(link).to_be_focused()


def test_the_search_is_kept_when_a_filter_is_chosen(visit: Visit, conversation: Conversation) -> None:
    conversation("A needle here", links=[{"kind": "opportunity", "id": "7"}])
    conversation("A needle there")
    page = visit()
    page.get_by_role("searchbox").fill("needle")
    expect(page.locator(".listed-found")).to_have_count(2)
    expect(page.locator("#said")).to_have_text("2 messages found.")
    page.get_by_label("Only this opportunity").fill("7")
    page.keyboard.press("Enter")
    expect(page.locator(".listed-found")).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_have_value("needle")


def test_whoever_is_no_longer_believed_signs_in_again_and_loses_no_words(
    visit: Visit, conversation: Conversation, user: str
) -> None:
    page = visit(f"/c/{conversation('First')}")
    expect(page.locator(".message")).to_have_count(1)
    problem = {
        "type": "about:blank",
        "status": 401,
        "title": "Unauthorized",
        "detail": "The token has expired.",
    }
    page.route("**/api/chat/stream", lambda route: route.fulfill(status=401, json=problem))
    say(page, "Am I still myself?")
    expect(page.get_by_role("alert").first).to_contain_text("The token has expired.")
    page.get_by_label("User").fill(user)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Am I still myself?")


def test_on_a_phone_the_focus_goes_to_the_list_after_a_conversation_is_deleted(
    visit: Visit, conversation: Conversation
) -> None:
    page: Page = visit(f"/c/{conversation('Away with it')}", viewport=PHONE)
    expect(page.locator(".message")).to_have_count(1)
    act(page, "Delete…")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("No conversation yet.")).to_be_visible()
    expect(page.get_by_role("link", name="New conversation")).to_be_focused()
