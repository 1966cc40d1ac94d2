"""What one caller may ask at once and how much of it; what every answer tells a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import get, post
from litestar.response import Stream

from service.api.answering.errors import TooManyRequests
from service.api.asking.rate_limit import MOST_BUCKETS, Buckets
from service.settings.origins import allowed_origins
from service.settings.settings import BadSetting, Settings
from tests.service.api.calling import SECRET, Client, as_it_is, as_user, bearer, key, problem
from tests.service.api.routes import telling
from tests.serving import serving

TOKEN = {"auth": "token", "jwt_secret": SECRET}
ALICE = {"X-User-Id": "alice", "Content-Type": "application/json"}


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


# How often


def test_a_minutes_requests_may_come_at_once_and_then_as_many_as_a_minute_gives() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    for _ in range(60):
        buckets.take("alice")
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("alice")
    assert refused.value.facts == {"limit": 60, "retry_after": 1}
    buckets.take("bob")
    clock.at = 1.0
    buckets.take("alice")
    with pytest.raises(TooManyRequests):
        buckets.take("alice")


def test_whoever_waits_as_long_as_she_is_told_is_let_in() -> None:
    clock = Clock()
    buckets = Buckets(7, clock)
    for _ in range(7):
        buckets.take("alice")
    for _ in range(20):
        with pytest.raises(TooManyRequests) as refused:
            buckets.take("alice")
        clock.at += refused.value.facts["retry_after"]
        buckets.take("alice")


@given(st.integers(1, 100), st.lists(st.floats(0, 10), max_size=300))
def test_nobody_gets_more_than_the_limit_and_a_minutes_worth(limit: int, waits: list[float]) -> None:
    clock = Clock()
    buckets, taken = Buckets(limit, clock), 0
    for wait in waits:
        clock.at += wait
        try:
            buckets.take("alice")
            taken += 1
        except TooManyRequests:
            pass
    assert taken <= limit + limit * clock.at / 60 + 0.001


def test_no_limit_is_no_limit() -> None:
    buckets = Buckets(0, Clock())
    for _ in range(1_000):
        buckets.take("alice")


def test_who_asked_long_ago_is_forgotten() -> None:
    buckets = Buckets(1, Clock())
    for who in range(MOST_BUCKETS + 10):
        buckets.take(who)
    assert len(buckets) == MOST_BUCKETS


async def test_too_many_requests_are_told_when_to_come_again_and_others_go_on(dsn: str) -> None:
    shown = bearer(key(dsn))
    async with telling(dsn, **TOKEN, rate_limit=2) as client:
        for _ in range(2):
            assert (await client.get("/whoami", headers=as_user())).status_code == 200
        answer = await client.get("/whoami", headers=as_user())
        assert problem(answer) == (429, "too-many-requests")
        assert answer.json()["limit"] == 2
        assert answer.headers["Retry-After"] == str(answer.json()["retry_after"]) == "30"
        assert (await client.get("/whoami", headers=as_user("bob"))).status_code == 200
        assert (await client.get("/whoami", headers=shown)).status_code == 200
        assert (await client.get("/health/live")).status_code == 200


# How much


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    yield b'{"words": "'
    for _ in range(size // 100):
        yield b"x" * 100
    yield b'"}'


async def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    async with telling(None, body_limit=1_000) as client:
        fits = b'{"words": "' + b"x" * (1_000 - 13) + b'"}'
        assert (await client.post("/write", content=fits, headers=ALICE)).status_code == 200
        answer = await client.post("/write", content=fits + b" ", headers=ALICE)
        assert problem(answer) == (413, "body-too-long")
        assert answer.json()["limit"] == 1_000


async def test_a_body_that_does_not_say_how_long_it_is_is_measured() -> None:
    async with telling(None, body_limit=1_000) as client, as_it_is(client) as raw:
        assert (await raw.post("/write", content=in_pieces(900), headers=ALICE)).status_code == 200
        answer = await raw.post("/write", content=in_pieces(2_000), headers=ALICE)
        assert problem(answer) == (413, "body-too-long")


def test_the_server_itself_stops_a_body_that_is_too_long(data: Path, tmp_path: Path) -> None:
    with serving(data=data, output=tmp_path / "out", HANSARD_BODY_LIMIT="1000") as service:
        url = service.url + "/api/conversations"
        with httpx.Client() as client:
            for _ in range(20):
                announced = client.post(url, content=b"x" * 1_000_000, headers=ALICE)
                assert problem(announced) == (413, "body-too-long")
                pieces = client.post(url, content=iter([b"x" * 600] * 5), headers=ALICE)
                assert problem(pieces) == (413, "body-too-long")
                assert client.get(service.url + "/health/live").status_code == 200


async def test_a_connection_ends_with_a_body_that_nobody_read() -> None:
    async with telling(None, body_limit=1_000) as client:
        unread = [
            await client.post("/write", content=b"x" * 2_000, headers=ALICE),
            await client.post("/write", content=b"x", headers=ALICE | {"Content-Type": "text/plain"}),
            await client.post("/nowhere", content=b"x", headers=ALICE),
            await client.post("/whoami", content=b"x", headers=ALICE),
        ]
        assert [answer.headers.get("Connection") for answer in unread] == ["close"] * 4
        read = [
            await client.post("/write", content=b"{", headers=ALICE),
            await client.post("/write", json={"words": "Hi"}, headers=ALICE),
            await client.get("/nowhere"),
        ]
        assert [answer.headers.get("Connection") for answer in read] == [None] * 3


# What a browser may do


async def answers(client: Client) -> list[httpx.Response]:
    return [
        await client.get("/"),
        await client.get("/schema"),
        await client.get("/open"),
        await client.get("/nowhere"),
        await client.delete("/write"),
        await client.get("/whoami"),
        await client.post("/write", content=b"{", headers=ALICE),
    ]


@pytest.mark.parametrize("settings", [{}, TOKEN])
async def test_every_answer_keeps_a_browser_from_doing_harm(settings: dict[str, str]) -> None:
    async with telling(None, **settings) as client:
        for answer in await answers(client):
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith(("default-src 'self'", "default-src 'none'"))
            assert "script-src 'unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_an_answer_may_say_otherwise_itself() -> None:
    @get("/kept")
    async def kept() -> Stream:
        return Stream(iter([b"x"]), headers={"Cache-Control": "max-age=60"})

    async with telling(None, kept) as client:
        assert (await client.get("/kept")).headers["Cache-Control"] == "max-age=60"


async def test_no_other_site_is_let_in_unless_it_is_named() -> None:
    asks = {"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
    async with telling(None, **TOKEN) as client:
        answer = await client.options("/write", headers=asks)
        assert "Access-Control-Allow-Origin" not in answer.headers
    async with telling(None, **TOKEN, cors_origins="https://chat.example, https://other.example") as client:
        answer = await client.options("/write", headers=asks)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://chat.example"
        assert "idempotency-key" in answer.headers["Access-Control-Allow-Headers"].lower()
        assert "Access-Control-Allow-Credentials" not in answer.headers
        other = await client.options("/write", headers=asks | {"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize(
    "given", ["chat.example", "https://", "https://*.example", "null", "https://a.example/b"]
)
def test_a_site_that_is_none_is_refused_at_the_start(given: str) -> None:
    with pytest.raises(BadSetting, match="HANSARD_CORS_ORIGINS"):
        allowed_origins(Settings(cors_origins=given))


def test_all_sites_at_once_are_let_in_only_where_everybody_is_asked_who_he_is() -> None:
    with pytest.raises(BadSetting):
        allowed_origins(Settings(cors_origins="*"))
    assert allowed_origins(Settings(cors_origins="*", auth="token")) == {"*"}


# What is asked for by the method, and what by name


@post("/given", status_code=200)
async def given_nothing() -> None: ...


async def test_a_user_writes_and_reads_and_audits_nothing() -> None:
    async with telling(None, given_nothing, **TOKEN) as client:
        assert (await client.post("/given", headers=as_user())).status_code == 200
        assert (await client.get("/whoami", headers=as_user())).status_code == 200
        for path in ("/audit", "/metrics"):
            answer = await client.get(path, headers=as_user())
            assert problem(answer) == (403, "scope-missing")


async def test_the_api_document_says_how_to_prove_who_one_is() -> None:
    async with telling(None) as client:
        document = (await client.get("/schema/openapi.json")).json()
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_what_is_open_is_open_and_nothing_else() -> None:
    async with telling(None, **TOKEN) as client:
        for path in ("/open", "/", "/schema", "/schema/openapi.json", "/health/live"):
            assert (await client.get(path)).status_code == 200
        for path in ("/whoami", "/metrics", "/audit"):
            assert problem(await client.get(path)) == (401, "not-authenticated")
