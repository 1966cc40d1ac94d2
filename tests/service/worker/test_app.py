"""The application as it is put together: its pages, its API document, and what it logs."""

import json
import logging
import re
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from service.settings.settings import Settings
from service.watch.logs import JsonLines
from service.worker.app import create_app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings())
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type] # the same protocol by another name
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_a_process_that_runs_is_live(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_the_page_of_the_api_loads_nothing_from_anybody_else(client: httpx.AsyncClient) -> None:
    page = (await client.get("/schema")).text
    assert "<!doctype html>" in page
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", page)
    assert "default-src 'none'" in page


async def test_every_path_of_the_api_document_is_on_its_page(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    page = (await client.get("/schema")).text
    assert "/health/live" in document["paths"]
    assert all(path in page for path in document["paths"])


async def test_every_answer_carries_a_request_id_of_its_own(client: httpx.AsyncClient) -> None:
    first, second = [(await client.get("/health/live")).headers["X-Request-Id"] for _ in range(2)]
    assert first != second


async def test_a_callers_request_id_is_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"X-Request-Id": "trace-7f"})
    assert answer.headers["X-Request-Id"] == "trace-7f"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "caf\u00e9"])
async def test_a_request_id_that_could_spoil_a_log_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers=[(b"X-Request-Id", given.encode())])
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


async def test_what_no_route_takes_is_answered_in_the_same_way(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/nowhere"), await client.post("/health/live")):
        assert answer.status_code in (404, 405)
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_of_a_header_that_is_sent_twice_the_first_counts(client: httpx.AsyncClient) -> None:
    given = [(b"X-Request-Id", b"one"), (b"X-Request-Id", b"two")]
    answer = await client.get("/health/live", headers=given)
    assert answer.headers.get_list("X-Request-Id") == ["one"]


def test_a_logged_error_tells_what_and_where_but_not_what_was_said() -> None:
    try:
        raise ValueError("what somebody said")
    except ValueError:
        record = logging.LogRecord("hansard", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = JsonLines().format(record)
    told = json.loads(line)
    assert "\n" not in line
    assert (told["level"], told["message"], told["error"]) == ("error", "failed", "builtins.ValueError")
    assert "test_app.py" in told["at"][-1]
    assert "what somebody said" not in line
