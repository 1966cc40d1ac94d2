"""Who is asking: a token is believed by the service, stays in its tab, and goes with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from service.postgres.embedded import EmbeddedPostgres
from tests.browser.conftest import Visit
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


@contextmanager
def a_refusal_that_never_ends() -> Iterator[str]:
    """Where one is turned away, by a server that keeps the reason to itself."""
    is_over = threading.Event()

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            is_over.wait()

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            is_over.set()
            server.shutdown()


def test_of_a_refusal_that_was_left_half_read_nothing_is_told(visit: Visit, guarded: Guarded) -> None:
    with a_refusal_that_never_ends() as refusal:
        page = visit(url=guarded.url, who=None)
        page.route("**/api/changes", lambda route: route.continue_(url=refusal))
        with page.expect_response(refusal):
            page.evaluate("""async () => {
                const app = document.querySelector("script[src]").src;
                const { open } = await import(app.replace("app.js", "api.js"));
                window.leaving = new AbortController();
                window.asked = open("GET", "/api/changes", leaving).catch((failed) => failed.name);
            }""")
        assert page.evaluate("leaving.abort() ?? asked") == "AbortError"


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
