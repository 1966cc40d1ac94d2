"""Whoever's lane cannot be reached is told so, in words and at once; everybody else is answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from service.settings.settings import Settings
from service.store.store import shard_of
from service.worker.app import create_app
from tests.conftest import SHARDS
from tests.outage import is_down, lie_apart, one_lane_down, one_lane_silent

USERS = [f"user-{number}" for number in range(100)]
CUT_OFF, WELL = (
    {"X-User-Id": next(user for user in USERS if is_down(shard_of(user, SHARDS)) is down)}
    for down in (True, False)
)
QUESTION = {"role": "user", "content": "Well?"}
SAYS = "The server that keeps this user's conversations cannot be reached; nothing was stored"


@asynccontextmanager
async def serving(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    lie_apart(dsn)
    app = create_app(Settings(dsn=dsn, shards=SHARDS, patience=2.0))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type] # the same protocol by another name
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def begun(http: httpx.AsyncClient, user: dict[str, str]) -> str:
    answer = await http.post("/api/conversations", headers=user, json={"messages": [QUESTION]})
    return f"/api/conversations/{answer.raise_for_status().json()['id']}"


async def every_answer(http: httpx.AsyncClient, place: str, user: dict[str, str]) -> list[httpx.Response]:
    return [
        await http.post(f"{place}/messages", headers=user, json=QUESTION),
        await http.get(f"{place}/messages", headers=user),
        await http.get("/api/conversations", headers=user),
        await http.get("/api/search", headers=user, params={"q": "Well"}),
        await http.post("/api/chat", headers=user, json={"message": "And?", "session_id": place[-36:]}),
    ]


async def test_a_lane_that_is_down_is_told_of_to_its_own_users_alone(dsn: str) -> None:
    async with serving(dsn) as http:
        theirs, ours = await begun(http, CUT_OFF), await begun(http, WELL)
        with one_lane_down(dsn):
            for answer in await every_answer(http, ours, WELL):
                assert answer.is_success, answer.text
            for answer in await every_answer(http, theirs, CUT_OFF):
                told = answer.json()
                assert (answer.status_code, told["type"], told["retry_after"]) == (503, "out-of-reach", 1)
                assert told["detail"].startswith(SAYS)
                assert "10.0.0.1" not in answer.text
        for answer in await every_answer(http, theirs, CUT_OFF):
            assert answer.is_success, answer.text


async def test_a_conversation_is_found_for_whoever_names_no_user(dsn: str) -> None:
    async with serving(dsn) as http:
        theirs, ours = await begun(http, CUT_OFF), await begun(http, WELL)
        with one_lane_down(dsn):
            assert (await http.get(f"{ours}/messages")).is_success
            assert (await http.get(f"{theirs}/messages")).json()["type"] == "out-of-reach"


async def test_a_lane_that_is_silent_is_not_waited_for(dsn: str) -> None:
    async with serving(dsn) as http:
        theirs, ours = await begun(http, CUT_OFF), await begun(http, WELL)
        with one_lane_silent(dsn):
            async with asyncio.timeout(30):
                while (await http.get(theirs, headers=CUT_OFF)).json()["type"] != "out-of-reach":
                    pass
            answers = await asyncio.gather(*(every_answer(http, theirs, CUT_OFF) for _ in range(20)))
            assert {each.json()["type"] for refused in answers for each in refused} == {"out-of-reach"}
            assert (await http.get("/api/changes", headers=CUT_OFF)).json()["type"] == "out-of-reach"
            for answer in await every_answer(http, ours, WELL):
                assert answer.is_success, answer.text
