"""A real browser, a real service and a scripted model behind it; each test is somebody of her own."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.postgres.embedded import EmbeddedPostgres
from tests.conftest import database
from tests.model import Model, scripted
from tests.serving import Service, serving

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}
NAMES = ("chromium", "chromium-browser", "google-chrome")
people = count(1)

Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """In a package's scope, and no wider: Playwright holds an event loop of its own while it runs."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium: .ci/run installs it")
        pytest.skip("there is no Chromium: on Debian and Ubuntu, apt install chromium")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def model() -> Iterator[Model]:
    with scripted() as model:
        yield model


@pytest.fixture(scope="package")
def service(
    postgres: EmbeddedPostgres, template: str, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("browser")
    with (
        database(postgres, template) as dsn,
        serving(
            "--dsn", dsn, data=place / "data", output=place / "output", **model.environ(HANSARD_GRACE="0")
        ) as service,
    ):
        yield service


@pytest.fixture
def user() -> str:
    return f"person-{next(people)}"


@pytest.fixture
def api(service: Service, user: str) -> Iterator[httpx.Client]:
    """The same person, without a browser."""
    with httpx.Client(base_url=service.url, headers={"X-User-Id": user}, timeout=60) as client:
        yield client


@pytest.fixture
def visit(browser: Browser, service: Service, user: str) -> Iterator[Visit]:
    """Opens a page as this test's person; a page that reports an error of its own fails the test."""
    contexts = []
    errors: list[str] = []

    def open_page(path: str = "/", url: str | None = None, who: str | None = user, **context: Any) -> Page:
        made = browser.new_context(**{"viewport": DESKTOP, **context})
        contexts.append(made)
        if who:
            made.add_init_script(f"localStorage.setItem('hansard.user', '{who}')")
        page = made.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((url or service.url) + path)
        return page

    yield open_page
    for each in contexts:
        each.close()
    assert not errors


@pytest.fixture
def conversation(api: httpx.Client) -> Callable[..., str]:
    """Puts a conversation on the record."""

    def start(*said: str, **given: Any) -> str:
        messages = [
            {"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(said)
        ]
        answer = api.post("/api/conversations", json={"messages": messages, **given})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return start


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path
