"""When the database is slow or gone, callers are told to come again; when it is back, so is the service."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from psycopg.conninfo import make_conninfo

from service.hansard import prepare
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from tests.conftest import SHARDS, UNSAFE_BUT_FAST
from tests.service.api.calling import calling, problem

ALICE = {"X-User-Id": "alice"}
LONGEST_ANSWER = 8.0
"""Seconds that a caller may be kept waiting for being told that there is no database."""


async def start(client: httpx.AsyncClient) -> str:
    started = await client.post("/api/conversations", json={}, headers=ALICE)
    assert started.status_code == 201, started.text
    return str(started.json()["id"])


async def say(client: httpx.AsyncClient, conversation_id: str, content: str) -> httpx.Response:
    path = f"/api/conversations/{conversation_id}/messages"
    body = {"role": "user", "content": content}
    return await client.post(path, json=body, headers=ALICE | {"Idempotency-Key": content})


async def said(client: httpx.AsyncClient, conversation_id: str) -> list[str]:
    path = f"/api/conversations/{conversation_id}/messages"
    answer = await client.get(path, params={"limit": 1_000}, headers=ALICE)
    assert answer.status_code == 200, answer.text
    return [message["content"] for message in answer.json()["messages"]]


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


async def until_it_answers(client: httpx.AsyncClient, conversation_id: str) -> list[str]:
    deadline = time.monotonic() + 30
    while (await client.get(f"/api/conversations/{conversation_id}", headers=ALICE)).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    return await said(client, conversation_id)


def away(answer: httpx.Response) -> bool:
    status, kind = problem(answer)
    assert (status, answer.headers.get("Retry-After")) == (503, "1"), answer.text
    return kind in ("store-unavailable", "outcome-unknown")


async def test_a_database_that_stops_is_told_and_one_that_starts_is_used_again(data: Path) -> None:
    with EmbeddedPostgres(data, options=UNSAFE_BUT_FAST) as server:
        dsn = make_conninfo(server.dsn)
        prepare(Settings(shards=SHARDS), dsn)
        async with calling(dsn) as client:
            conversation_id = await start(client)
            assert (await say(client, conversation_id, "before")).status_code == 201
            await asyncio.to_thread(server.stop)
            async with within(LONGEST_ANSWER):
                assert away(await client.get(f"/api/conversations/{conversation_id}", headers=ALICE))
            async with within(LONGEST_ANSWER):
                assert away(await say(client, conversation_id, "meanwhile"))
            assert (await client.get("/health/live")).status_code == 200
            await asyncio.to_thread(server.start)
            assert await until_it_answers(client, conversation_id) == ["before"]
            assert (await say(client, conversation_id, "after")).status_code == 201
            assert await said(client, conversation_id) == ["before", "after"]


async def test_what_was_acknowledged_while_the_database_came_and_went_is_there_once(data: Path) -> None:
    with EmbeddedPostgres(data, options=UNSAFE_BUT_FAST) as server:
        dsn = make_conninfo(server.dsn)
        prepare(Settings(shards=SHARDS), dsn)
        async with calling(dsn) as client:
            conversation_id = await start(client)
            acknowledged = list[str]()

            async def keep_saying() -> None:
                """Each until it is acknowledged, with its key, as a careful caller does."""
                for number in range(60):
                    while (answer := await say(client, conversation_id, str(number))).status_code != 201:
                        assert answer.status_code == 503, answer.text
                        await asyncio.sleep(0.05)
                    acknowledged.append(str(number))
                    await asyncio.sleep(0.02)

            saying = asyncio.create_task(keep_saying())
            for _ in range(2):
                await asyncio.sleep(0.3)
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
            await saying
            assert await said(client, conversation_id) == acknowledged == [str(each) for each in range(60)]


async def test_reads_that_find_no_connection_are_told_to_come_again(dsn: str) -> None:
    async with calling(dsn, pool_size=1) as client:
        conversation_id = await start(client)
        pool: Any = client.app.state["attachment"].hansard.pool
        async with pool.connection():
            async with within(LONGEST_ANSWER):
                answer = await client.get(f"/api/conversations/{conversation_id}", headers=ALICE)
            assert problem(answer) == (503, "store-unavailable")
            assert answer.headers["Retry-After"] == "1"
        assert await until_it_answers(client, conversation_id) == []
