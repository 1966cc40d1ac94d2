"""Connections to the database that say nothing more are replaced in time, and nothing has to be restarted."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from service.store.patience import StorePatience
from tests.crash.witness import check_everything_else
from tests.proxy import proxied
from tests.service.api.recording import at_once
from tests.service.api.test_database_away import ALICE, away, said, say, start, within

LONGEST_ANSWER = StorePatience().asked + 2
"""What is promised, and what a busy machine may take."""
SOON = 30.0
SHORT = 0.5
"""The shortest patience that may be set."""


async def told(client: httpx.AsyncClient, conversation_id: str, *contents: str) -> list[str]:
    """Which of them, asked for at once, were stored; of the others it is said in time that they were not, or
    that nobody knows."""
    async with within(LONGEST_ANSWER):
        answers = await asyncio.gather(*(say(client, conversation_id, each) for each in contents))
    return [
        content
        for content, answer in zip(contents, answers, strict=True)
        if answer.status_code == 201 or not away(answer)
    ]


async def told_what_is_there(client: httpx.AsyncClient, conversation_id: str) -> bool:
    """If not, the reader was told so in time."""
    async with within(LONGEST_ANSWER):
        answer = await client.get(f"/api/conversations/{conversation_id}", headers=ALICE)
    return answer.status_code == 200 or not away(answer)


async def problems(client: httpx.AsyncClient) -> list[str]:
    found: list[str] = (await client.get("/health/ready")).json()["problems"]
    return found


async def until_ready(client: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + SOON
    while found := await problems(client):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_connections_that_go_silent_are_replaced_by_others(dsn: str) -> None:
    with proxied(dsn) as proxy:
        async with at_once(proxy.dsn) as (client, _):
            conversation_id = await start(client)
            there = await told(client, conversation_id, "before")
            proxy.silence()
            there += await told(client, conversation_id, *(f"meanwhile-{each}" for each in range(5)))
            proxy.silence()
            await told_what_is_there(client, conversation_id)
            await until_ready(client)
            assert await told_what_is_there(client, conversation_id)
            there += await told(client, conversation_id, "after")
            found = await said(client, conversation_id)
            assert {"before", "after"} <= set(there) <= set(found), "what was acknowledged is there"
            assert len(found) == len(set(found)), "nothing is there twice"
    check_everything_else(dsn)


@asynccontextmanager
async def nothing_said_to(dsn: str, application: str) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Whichever connection it makes, while all others are answered; afterwards it is answered, too."""
    with proxied(dsn) as proxy:
        async with at_once(proxy.dsn, patience=SHORT) as (client, _):
            conversation_id = await start(client)
            await until_ready(client)
            proxy.say_nothing_to(application)
            yield client, conversation_id
            proxy.speak()
            await until_ready(client)
            assert await told(client, conversation_id, "after") == ["after"]


async def until_told_of(client: httpx.AsyncClient, who: str) -> None:
    deadline = time.monotonic() + SOON
    while not any(f"this process's {who}" in each for each in await problems(client)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_a_writer_that_does_not_move_is_not_ready_and_named(dsn: str) -> None:
    async with nothing_said_to(dsn, "hansard writer") as (client, conversation_id):
        assert await told(client, conversation_id, "meanwhile") == []
        await until_told_of(client, "writer")
        assert len(await problems(client)) == 1


async def test_a_follower_that_does_not_move_is_not_ready_and_named(dsn: str) -> None:
    async with nothing_said_to(dsn, "hansard follower") as (client, conversation_id):
        assert await told(client, conversation_id, "meanwhile") == ["meanwhile"]
        await until_told_of(client, "follower")
        assert len(await problems(client)) == 1
