"""Puts conversations on the record over HTTP, and tells answers apart from the ids and times in them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.hansard import Hansard
from service.settings.settings import Settings
from service.worker.app import create_app
from tests.conftest import SHARDS
from tests.service.api.calling import HERE, until_attached

ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PLACE = re.compile(r'(?<="older":")[\w-]+|(?<="newer":")[\w-]+|(?<="position":")[\w-]+|(?<="place":")[\w-]+')


@asynccontextmanager
async def at_once(dsn: str, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Hansard]]:
    """A client whose requests run side by side, in the test's own loop; Litestar's has one at a time."""
    app = create_app(Settings(dsn=dsn, shards=SHARDS, **settings))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type] # the same protocol by another name
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url=HERE, timeout=60) as client:
        await until_attached(app)
        yield client, app.state["attachment"].hansard


def by(user_id: str, **more: str) -> dict[str, str]:
    return {"X-User-Id": user_id, **more}


def user(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def assistant(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


async def started(
    client: httpx.AsyncClient, *messages: dict[str, Any], by_user: str = "ann", **more: Any
) -> Any:
    body = {"messages": messages, **more}
    answer = await client.post("/api/conversations", json=body, headers=by(by_user))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def said(
    client: httpx.AsyncClient, conversation: Any, *messages: dict[str, Any], by_user: str = "ann"
) -> Any:
    path = f"/api/conversations/{conversation['id']}/messages/batch"
    answer = await client.post(path, json={"messages": messages}, headers=by(by_user))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def got(client: httpx.AsyncClient, path: str, by_user: str = "ann", **params: Any) -> Any:
    answer = await client.get(path, params=params, headers=by(by_user))
    assert answer.status_code == 200, answer.text
    return answer.json()


def blanked(answer: httpx.Response | str) -> str:
    """The answer, byte for byte, but each id, time and place is a number in the order of its appearance."""
    text = answer if isinstance(answer, str) else answer.text
    for name, pattern in (("ID", ID), ("TIME", TIME), ("PLACE", PLACE)):
        known: dict[str, str] = {}
        text = pattern.sub(lambda found: known.setdefault(found[0], f"{name}{len(known) + 1}"), text)  # noqa: B023
    return text
