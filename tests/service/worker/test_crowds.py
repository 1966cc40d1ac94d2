"""A crowd at the door: whoever takes a connection and gives nothing back keeps nobody else out."""

import resource
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.knocking import Knock, announcing, crowd, knocking
from tests.serving import Service, serving

ANN, BOB = "X-User-Id: ann", "X-User-Id: bob"
MANY = 1_100
"""More connections than Granian keeps open by itself."""


@pytest.fixture(scope="module", autouse=True)
def _may_open_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * MANY)), hard))


def still_answers(service: Service) -> None:
    """To those who ask how it is, and to those who have something to say."""
    with httpx.Client(base_url=service.url, timeout=10) as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 200
        assert client.post("/api/conversations", json={}, headers={"X-User-Id": "bob"}).status_code == 201


def watch(knock: Knock, who: str = ANN) -> None:
    knock.ask("GET /api/changes", who)


def test_a_thousand_connections_that_send_nothing_keep_nobody_out(dsn: str, tmp_path: Path) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service,
        crowd(service, MANY),
    ):
        still_answers(service)


def test_a_thousand_streams_of_one_user_keep_nobody_out(dsn: str, tmp_path: Path) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service,
        crowd(service, MANY) as hers,
        knocking(service) as bobs,
    ):
        for each in hers:
            watch(each)
        taken = [each for each in hers if each.status == 200]
        assert len(taken) == 64
        refused = next(each for each in hers if each.status != 200)
        assert refused.problem == (429, "too-many-streams")
        assert refused.headers["retry-after"] == "1"
        watch(bobs, BOB)
        assert bobs.status == 200
        still_answers(service)


def test_the_place_of_a_stream_that_ends_is_free_again(dsn: str, tmp_path: Path) -> None:
    limit = {"HANSARD_STREAMS_PER_USER": "1"}
    with serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log", **limit) as service:
        for _ in range(5):
            with ExitStack() as stack:
                let_in(service, stack)
                second = stack.enter_context(knocking(service))
                watch(second)
                assert second.problem == (429, "too-many-streams")


def let_in(service: Service, stack: ExitStack) -> None:
    """Once the service has noticed that the one before has gone."""
    while True:
        knock = stack.enter_context(knocking(service))
        watch(knock)
        if knock.status == 200:
            return


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/changes",
        "GET /api/export",
        "POST /api/chat/stream",
        "GET /api/chat/0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f/stream",
        "POST /support/chatkit",
    ],
)
def test_each_kind_of_stream_is_counted_before_anything_is_stored(
    dsn: str, tmp_path: Path, line: str
) -> None:
    limit = {"HANSARD_STREAMS": "1"}
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log", **limit) as service,
        crowd(service, 2) as (one, other),
    ):
        watch(one)
        one.until(b"event: watching")
        body = b'{"message": "Hello?"}' if line.startswith("POST") else b""
        other.ask(line, *announcing(len(body)), body=body)
        assert other.problem == (503, "no-room-for-streams")
        assert other.headers["retry-after"] == "1"
        found = httpx.get(f"{service.url}/api/conversations", headers={"X-User-Id": "ann"})
        assert found.json()["conversations"] == []


def test_when_all_requests_wait_the_others_are_told_so_and_health_is_answered(
    dsn: str, tmp_path: Path
) -> None:
    limit = {"HANSARD_CONNECTIONS": "20"}
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log", **limit) as service,
        crowd(service, 18) as waiting,
    ):
        for each in waiting:
            each.ask("POST /api/conversations", *announcing(100, "Expect: 100-continue"))
        for each in waiting:
            each.until(b"100 Continue")
        with crowd(service, 1) as (late,):
            late.ask("GET /api/conversations", BOB)
            assert late.problem == (503, "no-room")
            assert late.headers["retry-after"] == "1"
        with crowd(service, 1) as (asking,):
            asking.ask("GET /health/live")
            assert asking.status == 200


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for_long(dsn: str, tmp_path: Path, head: bytes) -> None:
    limit = {"HANSARD_IDLE_TIMEOUT": "1"}
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log", **limit) as service,
        knocking(service) as silent,
    ):
        silent.send(head)
        assert silent.end() == b""


@pytest.mark.parametrize("pieces", [[], [b'{"ti', b'tle":']])
def test_a_body_that_does_not_come_is_not_waited_for_long(
    dsn: str, tmp_path: Path, pieces: list[bytes]
) -> None:
    limit = {"HANSARD_BODY_TIMEOUT": "1"}
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log", **limit) as service,
        knocking(service) as slow,
    ):
        slow.ask("POST /api/conversations", *announcing(100))
        for piece in pieces:
            slow.send(piece)
        assert slow.problem == (408, "body-too-slow")
        assert slow.headers["connection"] == "close"
        slow.end()


def test_a_body_that_does_not_come_does_not_hold_up_a_stop(dsn: str, tmp_path: Path) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service,
        knocking(service) as slow,
    ):
        slow.ask("POST /api/conversations", *announcing(100, "Expect: 100-continue"))
        slow.until(b"100 Continue")
        slow.came = b""
        service.process.terminate()
        assert slow.problem == (503, "stopping")
        assert service.process.wait(20) == 0
