"""Who is asking: a token is believed by the service, stays in its tab, and goes with it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from service.postgres.embedded import EmbeddedPostgres
from tests.browser.conftest import Visit, until_ready
from tests.conftest import database
from tests.service.api.calling import SECRET, key, token
from tests.serving import Service, serving


class Guarded:
    def __init__(self, service: Service, dsn: str) -> None:
        self.url = service.url
        self.dsn = dsn


@pytest.fixture(scope="module")
def guarded(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    place = tmp_path_factory.mktemp("guarded")
    given = {"HANSARD_AUTH": "token", "HANSARD_JWT_SECRET": SECRET}
    with (
        database(postgres, template) as dsn,
        serving("--dsn", dsn, data=place / "data", output=place / "output", **given) as service,
    ):
        until_ready(service)
        yield Guarded(service, dsn)


def say(page: Page, words: str) -> None:
    page.get_by_role("textbox", name="Message").fill(words)
    page.keyboard.press("Enter")
    expect(page.locator(".message-assistant:not(.message-growing)")).to_be_visible()


def test_a_token_is_pasted_and_forgotten_when_one_signs_out(visit: Visit, guarded: Guarded) -> None:
    page = visit(url=guarded.url, who=None)
    page.get_by_label("Token or service key").fill("not.a.token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The token is not taken")
    page.get_by_label("Token or service key").fill(token("ann"))
    page.get_by_role("button", name="Sign in").click()
    say(page, "It is me.")
    expect(page.locator(".listed-who")).to_contain_text("ann")
    page.reload()
    expect(page.locator(".listed-all a")).to_contain_text("It is me.")
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    page.locator(".listed-who").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_label("Token or service key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_one_arrives_with_a_token_that_no_server_sees(visit: Visit, guarded: Guarded) -> None:
    page = visit(f"/#token={token('bea')}", url=guarded.url, who=None)
    say(page, "Sent here by an application.")
    assert "token" not in page.url
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.get_by_label("Token or service key")).to_be_visible()


def test_a_token_that_runs_out_leads_back_to_signing_in(visit: Visit, guarded: Guarded) -> None:
    page = visit(f"/#token={token('cleo')}", url=guarded.url, who=None)
    expect(page.get_by_text("No conversation yet.")).to_be_visible()
    spent = token("cleo", exp=1)
    page.evaluate(f"sessionStorage.setItem('hansard.token', '{spent}')")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The token is not taken")
    expect(page.get_by_label("Token or service key")).to_be_visible()


def test_a_backends_key_acts_for_the_user_it_names(visit: Visit, guarded: Guarded) -> None:
    page = visit(url=guarded.url, who=None)
    page.get_by_label("Token or service key").fill(key(guarded.dsn, "pages"))
    page.get_by_label("User to act for").fill("dörte müller")
    page.get_by_role("button", name="Sign in").click()
    say(page, "For somebody.")
    expect(page.locator(".listed-who")).to_contain_text("dörte müller")
