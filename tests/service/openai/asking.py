"""OpenAI's own clients before a running service."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from msgspec import Struct
from openai import AsyncOpenAI, OpenAI

from tests.service.api.calling import token


class Standing(Struct, frozen=True):
    """A service that many tests speak to, each as a user of its own."""

    url: str
    dsn: str

    @contextmanager
    def client(self, user_id: str, **more: Any) -> Iterator[OpenAI]:
        given = {"api_key": token(user_id), **more}
        with OpenAI(base_url=f"{self.url}/v1", **given) as client:
            yield client

    @asynccontextmanager
    async def async_client(self, user_id: str, **more: Any) -> AsyncIterator[AsyncOpenAI]:
        given = {"api_key": token(user_id), **more}
        async with AsyncOpenAI(base_url=f"{self.url}/v1", **given) as client:
            yield client


def words(text: str, role: str = "user") -> Any:
    return {"role": role, "content": text}


def id_of(item: Any) -> str:
    """The client's classes allow that there is none."""
    assert isinstance(item.id, str)
    return item.id


def texts(items: Any) -> list[str]:
    """Of messages."""
    return [item.content[0].text for item in items]
