"""A body that breaks off is nobody's fault here; and all bodies together take so much memory and no more."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.settings.settings import BadSetting, Settings
from tests.knocking import announcing, crowd, knocking
from tests.service.api.calling import events
from tests.service.api.recording import user
from tests.serving import Service, serving

PATH = "POST /api/conversations"
CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked", "X-User-Id: ann")
BAD_CHUNKS = {
    "an extension that is none": b'5;a\nb\r\n{"tit\r\n',
    "a size that is none": b"zz\r\n{}\r\n",
    "a size that does not end": b"5" * 40 + b"\r\n",
    "more than was said": b'2\r\n{"title": "Hello"}\r\n',
}
LARGE = 400_000
ANN = {"X-User-Id": "ann"}


@contextmanager
def service_on(dsn: str, place: Path, **settings: str) -> Iterator[Service]:
    with serving("--dsn", dsn, data=place / "data", output=place / "log", **settings) as service:
        yield service


def blames_nobody_here(service: Service) -> None:
    """Nothing in the log but that it is up, and no answer of the kind that says that it is broken."""
    counted = httpx.get(f"{service.url}/metrics").text
    statuses = [line for line in counted.splitlines() if line.startswith("hansard_http_requests_total")]
    assert statuses
    assert not [line for line in statuses if 'status="5' in line]
    assert '"level"' not in service.said
    assert "Traceback" not in service.said


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_body_in_bad_chunks_is_told_as_that(dsn: str, tmp_path: Path, chunks: bytes) -> None:
    with service_on(dsn, tmp_path) as service, knocking(service) as knock:
        knock.ask(PATH, *CHUNKED, body=chunks)
        assert knock.problem == (400, "body-broke-off")
        blames_nobody_here(service)
    assert events(dsn) == 0


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_trace(dsn: str, tmp_path: Path) -> None:
    with service_on(dsn, tmp_path) as service:
        for headers in (announcing(100), CHUNKED):
            with knocking(service) as knock:
                knock.ask(PATH, *headers, "Expect: 100-continue")
                knock.until(b"100 Continue")
                knock.send(b'{"ti' if headers != CHUNKED else b'4\r\n{"ti\r\n')
        counted = ""
        while 'status="4xx"' not in counted:
            counted = httpx.get(f"{service.url}/metrics").text
        blames_nobody_here(service)
    assert events(dsn) == 0


def test_one_who_stops_sending_and_still_listens_is_answered(dsn: str, tmp_path: Path) -> None:
    with service_on(dsn, tmp_path) as service, knocking(service) as knock:
        knock.ask(PATH, *announcing(100), body=b'{"title"')
        knock.connection.shutdown(1)
        assert knock.problem == (400, "body-broke-off")


def test_bodies_take_so_much_memory_together_and_no_more(dsn: str, tmp_path: Path) -> None:
    limits = {"HANSARD_BODY_LIMIT": "500000", "HANSARD_BODIES_LIMIT": "1000000"}
    with service_on(dsn, tmp_path, **limits) as service, crowd(service, 3) as (one, two, three):
        body = json.dumps({"messages": [user("x" * LARGE)]}).encode()
        for each in (one, two):
            each.ask(PATH, *announcing(len(body), "Expect: 100-continue"))
            each.until(b"100 Continue")
            each.came = b""
        three.ask(PATH, *announcing(len(body)))
        assert three.problem == (503, "too-much-at-once")
        assert three.headers["retry-after"] == "1"
        pieces = httpx.post(f"{service.url}/api/conversations", content=in_pieces(body), headers=ANN)
        assert (pieces.status_code, pieces.json()["type"]) == (503, "too-much-at-once")
        small = httpx.post(f"{service.url}/api/conversations", json={}, headers=ANN)
        assert small.status_code == 201, "a small one finds room beside large ones"
        for each in (one, two):
            each.send(body)
            assert each.status == 201
        again = httpx.post(f"{service.url}/api/conversations", content=in_pieces(body), headers=ANN)
        assert again.status_code == 201, "what is answered takes no room any more"


def in_pieces(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), 50_000):
        yield body[at : at + 50_000]


def test_a_refused_body_takes_no_room(dsn: str, tmp_path: Path) -> None:
    limits = {"HANSARD_BODY_LIMIT": "500000", "HANSARD_BODIES_LIMIT": "1000000"}
    with service_on(dsn, tmp_path, **limits) as service:
        for _ in range(10):
            gone(service)
        body = json.dumps({"messages": [user("x" * LARGE)]})
        sent = httpx.post(f"{service.url}/api/conversations", content=body, headers=ANN)
        assert sent.status_code == 201


def gone(service: Service) -> None:
    with knocking(service) as knock:
        knock.ask(PATH, *announcing(LARGE), body=b"{" * 10)
        knock.connection.shutdown(1)
        assert knock.status == 400


def test_one_body_of_the_longest_kind_must_fit_among_all() -> None:
    with pytest.raises(BadSetting, match="HANSARD_BODIES_LIMIT is 1000, but it must be 1112 or more"):
        Settings.load({"HANSARD_BODY_LIMIT": "1000", "HANSARD_BODIES_LIMIT": "1000"})
    with pytest.raises(BadSetting, match="HANSARD_BODIES_LIMIT"):
        Settings.load({"HANSARD_BODY_LIMIT": "200000000"})
