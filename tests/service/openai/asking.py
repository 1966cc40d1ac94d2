"""OpenAI's own clients before a running service."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from openai import AsyncOpenAI, OpenAI

from service.postgres.embedded import EmbeddedPostgres
from tests.conftest import database
from tests.service.api.calling import SECRET, token
from tests.serving import serving


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


@contextmanager
def standing_service(postgres: EmbeddedPostgres, template: str, place: Path) -> Iterator[Standing]:
    with (
        database(postgres, template) as dsn,
        serving(
            *("--auth", "token", "--dsn", dsn),
            data=place / "data",
            output=place / "output",
            HANSARD_JWT_SECRET=SECRET,
        ) as service,
    ):
        yield Standing(service.url, dsn)


def words(text: str, role: str = "user") -> Any:
    return {"role": role, "content": text}


def id_of(item: Any) -> str:
    """The client's classes allow that there is none."""
    assert isinstance(item.id, str)
    return item.id


def texts(items: Any) -> list[str]:
    """Of messages."""
    return [item.content[0].text for item in items]
