"""Handlers that say what they were given: what every endpoint gets, seen without any of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.testing import AsyncTestClient
from msgspec import Struct, structs

from service.api.asking.asking import Asking, Writing
from service.api.asking.auth import OPEN, needing
from service.api.asking.principal import Principal
from service.settings.settings import Settings
from service.store.repository import Caller
from service.worker.app import create_app
from tests.conftest import SHARDS
from tests.service.api.calling import HERE, Client, until_attached


class Wish(Struct, forbid_unknown_fields=True):
    words: str
    user_id: str | None = None
    expected_version: int | None = None


@get("/whoami")
async def whoami(principal: NamedDependency[Principal]) -> dict[str, Any]:
    return {"mode": principal.mode, "name": principal.name, "user_id": principal.user_id}


@get("/caller")
async def caller(asking: NamedDependency[Asking]) -> Caller:
    return asking.caller()


@get("/conversation/{conversation_id:str}")
async def conversation(
    asking: NamedDependency[Asking], conversation_id: FromPath[str], limit: FromQuery[int] = 5
) -> Caller:
    return (await asking.reach(conversation_id)).caller


@post("/write", status_code=200)
async def write(writing: NamedDependency[Writing], data: JSONBody[Wish]) -> dict[str, Any]:
    who = writing.caller(data.user_id)
    terms = writing.terms(who, data.expected_version)
    command = terms.command
    told = {"id": str(command.id), "digest": command.digest.hex()} if command else None
    return {"command": told, "expected": terms.expected, **structs.asdict(who)}


@get("/audit", opt=needing("audit"))
async def audit() -> dict[str, int]:
    return {"seen": 1}


@get("/open", opt=OPEN)
async def open_to_all() -> dict[str, bool]:
    return {"open": True}


@asynccontextmanager
async def telling(dsn: str | None, *more: Any, **settings: Any) -> AsyncIterator[Client]:
    """The real application, with these handlers beside its own."""
    app = create_app(Settings(dsn=dsn, shards=SHARDS, **settings))
    for each in handlers(more):
        app.register(each)
    async with AsyncTestClient(app, base_url=HERE) as client:
        if dsn is not None:
            await until_attached(app)
        yield client


def handlers(more: Sequence[Any]) -> Sequence[Any]:
    return (whoami, caller, conversation, write, audit, open_to_all, *more)
