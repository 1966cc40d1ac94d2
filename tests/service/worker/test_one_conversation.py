"""Many clients of several workers who all write to one conversation: nobody is sent away for the others."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import Service, serving

WORKERS, CLIENTS, EACH = 3, 64, 3
WHO = {"X-User-Id": "ann"}


@pytest.fixture
def service(dsn: str, tmp_path: Path) -> Iterator[Service]:
    flags = ("--dsn", dsn, "--workers", str(WORKERS))
    with serving(*flags, data=tmp_path / "data", output=tmp_path / "log") as service:
        yield service


async def said_by(client: httpx.AsyncClient, number: int, messages: str) -> list[int]:
    """At which versions it was told that its messages are."""
    versions = []
    for each in range(EACH):
        body = {"role": "user", "content": f"message {each} of client {number}"}
        answer = await client.post(messages, json=body)
        assert answer.status_code == 201, answer.text
        versions.append(answer.json()["version"])
    return versions


async def test_all_messages_to_one_conversation_are_taken_from_all_workers_at_once(service: Service) -> None:
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=service.url, headers=WHO, timeout=60, limits=limits) as client:
        conversation = (await client.post("/api/conversations", json={})).json()["id"]
        messages = f"/api/conversations/{conversation}/messages"
        told = await asyncio.gather(*(said_by(client, number, messages) for number in range(CLIENTS)))
        page = (await client.get(f"{messages}?limit=200")).json()
    versions = sorted(version for each in told for version in each)
    assert versions == list(range(2, CLIENTS * EACH + 2)), "each was told a place of its own"
    assert all(each == sorted(each) for each in told)
    assert len({message["content"] for message in page["messages"]}) == CLIENTS * EACH
