"""Asks the real application on a real database, as anybody would over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import psycopg
from litestar import Litestar
from litestar.testing import AsyncTestClient

from service.access import keys
from service.access.scopes import Scope
from service.settings.settings import Settings
from service.store.connections import Database
from service.worker.app import create_app
from tests.conftest import SHARDS
from tests.serving import LONGEST_START

SECRET = "a secret of forty characters for the tests"
HERE = "http://127.0.0.1"

Client = AsyncTestClient[Litestar]


@asynccontextmanager
async def calling(dsn: str, **settings: Any) -> AsyncIterator[Client]:
    """Enter it in the test, not in a fixture: the application belongs to the test's event loop."""
    app = create_app(Settings(dsn=dsn, shards=SHARDS, **settings))
    async with AsyncTestClient(app, base_url=HERE) as client:
        await until_attached(app)
        yield client


async def until_attached(app: Litestar) -> None:
    """An application answers before it has its database, where that takes longer than a moment."""
    deadline = time.monotonic() + LONGEST_START
    while not app.state["attachment"].is_there:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@asynccontextmanager
async def asked_who(dsn: str, **settings: Any) -> AsyncIterator[Client]:
    """The same, where everybody is asked who he is."""
    given = {"auth": "token", "jwt_secret": SECRET, **settings}
    async with calling(dsn, **given) as client:
        yield client


def as_it_is(client: Client) -> httpx.AsyncClient:
    """Sends the bytes of a header as they are, and a body in pieces; the usual client does neither."""
    transport = httpx.ASGITransport(app=client.app)
    return httpx.AsyncClient(transport=transport, base_url=HERE)


def token(user_id: str = "alice", secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    soon = datetime.now(UTC) + timedelta(days=1)
    given = {"sub": user_id, "exp": soon, **claims}
    kept = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm)


def as_user(user_id: str = "alice", **claims: Any) -> dict[str, str]:
    return bearer(token(user_id, **claims))


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def key(dsn: str, name: str = "backend", scope: Scope = "write") -> str:
    with Database.open(dsn).connect() as connection:
        return keys.create(connection, name, scope)


def revoke(dsn: str, name: str = "backend") -> None:
    with Database.open(dsn).connect() as connection:
        keys.revoke(connection, name)


def events(dsn: str) -> int:
    """How many are in the log."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM hansard.events").fetchone()
        assert row
        return int(row[0])


def problem(answer: httpx.Response) -> tuple[int, str]:
    """In either shape: below /v1, OpenAI's."""
    told = answer.json()
    kind = told["error"]["code"].replace("_", "-") if "error" in told else told["type"]
    return answer.status_code, kind


def field(answer: httpx.Response) -> Any:
    """What was wrong, in either shape."""
    told = answer.json()
    return told["error"]["param"] if "error" in told else told["field"]
