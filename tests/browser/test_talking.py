"""Saying something and hearing the reply, whatever happens in between."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from service.postgres.embedded import EmbeddedPostgres
from tests.browser.conftest import Visit
from tests.conftest import database
from tests.model import Hold, Model, Status, scripted
from tests.serving import Service, serving

Conversation = Callable[..., str]


def say(page: Page, words: str) -> None:
    page.get_by_role("textbox", name="Message").fill(words)
    page.keyboard.press("Enter")


def said(page: Page) -> list[str]:
    return [each.inner_text() for each in page.locator(".message-body").all()]


def test_a_first_visit_ends_in_a_streamed_answer(visit: Visit, model: Model, user: str) -> None:
    page = visit(who=None)
    page.get_by_label("User").fill(user)
    page.get_by_role("button", name="Go on").click()
    hold = Hold()
    model.answers("It is ", "**Pneumono**", hold, "ultra.")
    say(page, "What is the longest word?")
    hold.reached()
    growing = page.locator(".message-growing")
    expect(growing).to_contain_text("It is Pneumono")
    expect(growing.locator("strong")).to_have_text("Pneumono")
    expect(page.get_by_role("button", name="Stop the reply")).to_be_visible()
    hold.go()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("It is Pneumonoultra.")
    expect(page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}$"))
    expect(page).to_have_title(re.compile("What is the longest word"))
    expect(page.locator(".listed a[aria-current]")).to_contain_text("What is the longest word?")
    assert len(said(page)) == 2


def test_a_reload_in_mid_reply_picks_it_up_where_it_was(visit: Visit, model: Model) -> None:
    page = visit()
    hold = Hold()
    model.answers("Once ", hold, "upon a time.")
    say(page, "Tell me a story.")
    hold.reached()
    expect(page.locator(".message-growing")).to_contain_text("Once")
    page.reload()
    expect(page.locator(".message-growing")).to_contain_text("Once")
    hold.go()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("Once upon a time.")
    assert said(page) == ["Tell me a story.", "Once upon a time."]


def test_a_reply_can_be_stopped_and_what_was_said_is_kept(
    visit: Visit, model: Model, api: httpx.Client
) -> None:
    page = visit()
    hold = Hold()
    model.answers("One, two, ", hold, "three.")
    say(page, "Count.")
    hold.reached()
    expect(page.locator(".message-growing")).to_contain_text("One, two,")
    page.get_by_role("button", name="Stop the reply").click()
    expect(page.locator(".message-assistant .badge")).to_have_text("interrupted")
    hold.go()
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    (_, reply) = api.get("/api/chat/history").json()["messages"]
    assert reply["content"].strip() == "One, two,"


def test_two_tabs_of_one_person_show_the_same(visit: Visit, model: Model, conversation: Conversation) -> None:
    path = f"/c/{conversation('Hello?', 'Hello!')}"
    one, other = visit(path), visit(path)
    expect(other.locator(".message")).to_have_count(2)
    hold = Hold()
    model.answers("Both ", hold, "of you.")
    say(one, "Who sees this?")
    hold.reached()
    expect(other.locator(".message-growing")).to_contain_text("Both")
    hold.go()
    for page in (one, other):
        expect(page.locator(".message-assistant:not(.message-growing)").last).to_contain_text("Both of you.")
        assert said(page) == ["Hello?", "Hello!", "Who sees this?", "Both of you."]


def test_a_new_conversation_of_another_tab_is_listed_at_once(visit: Visit) -> None:
    one, other = visit(), visit()
    expect(other.get_by_text("No conversation yet.")).to_be_visible()
    say(one, "Something new.")
    expect(other.locator(".listed-all a")).to_contain_text("Something new.")


def test_what_failed_is_sent_again_and_stored_once(visit: Visit, model: Model, api: httpx.Client) -> None:
    page = visit()
    model.answers(Status(500))
    say(page, "Are you there?")
    failed = page.get_by_role("alert")
    expect(failed).to_contain_text("The responder failed")
    model.answers("Now I am.")
    failed.get_by_role("button", name="Send again").click()
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("Now I am.")
    assert said(page) == ["Are you there?", "Now I am."]
    stored = api.get("/api/chat/history").json()["messages"]
    assert [each["content"] for each in stored] == ["Are you there?", "Now I am."]


def test_the_server_is_restarted_under_the_open_page(
    visit: Visit, postgres: EmbeddedPostgres, template: str, tmp_path: Path
) -> None:
    with scripted() as model, database(postgres, template) as dsn:
        given = model.environ(HANSARD_GRACE="0")
        with serving("--dsn", dsn, data=tmp_path / "d", output=tmp_path / "1", **given) as service:
            page = visit(url=service.url)
            say(page, "Before.")
            expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("Certainly.")
            url, port = service.url, service.url.rpartition(":")[2]
        expect(page.get_by_text("The connection is lost.")).to_be_visible()
        say(page, "In between.")
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
        again = serving("--port", port, "--dsn", dsn, data=tmp_path / "d", output=tmp_path / "2", **given)
        with again as service:
            assert service.url == url
            expect(page.get_by_text("The connection is lost.")).to_be_hidden()
            page.get_by_role("button", name="Send again").click()
            expect(page.locator(".message-assistant:not(.message-growing)")).to_have_count(2)
            assert said(page) == ["Before.", "Certainly.", "In between.", "Certainly."]


def test_words_that_were_not_sent_are_still_there_after_a_reload(visit: Visit) -> None:
    page = visit()
    page.get_by_role("textbox", name="Message").fill("Half a thou")
    page.reload()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Half a thou")


def test_the_whole_chat_works_by_keyboard_alone(visit: Visit, service: Service, model: Model) -> None:
    page = visit()
    model.answers("A first answer.")
    page.get_by_role("textbox", name="Message").wait_for()
    page.keyboard.type("A first question?")
    page.keyboard.press("Enter")
    expect(page.locator(".message-assistant:not(.message-growing)")).to_contain_text("A first answer.")

    def focused() -> str:
        return str(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent"))

    def go_to(name: str) -> None:
        for _ in range(40):
            if focused().startswith(name):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{name} cannot be reached by the keyboard")

    go_to("What can be done")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename…")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("By hand")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By hand")).to_be_visible()
    go_to("New conversation")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New conversation")).to_be_visible()
    go_to("By hand")
    page.keyboard.press("Enter")
    expect(page.locator(".message")).to_have_count(2)
    page.keyboard.press("Control+k")
    page.keyboard.type("answer")
    expect(page.locator(".listed-found mark")).to_have_text("answer")
    go_to("Assistant")
    page.keyboard.press("Enter")
    expect(page.locator(".message-found")).to_contain_text("A first answer.")
    go_to("A good answer")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="A good answer")).to_have_attribute("aria-pressed", "true")
