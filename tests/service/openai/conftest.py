"""What the tests of OpenAI's surface share: one service, and another user in each test."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from openai import AsyncOpenAI, OpenAI

from service.postgres.embedded import EmbeddedPostgres
from tests.conftest import database
from tests.service.api.calling import SECRET
from tests.service.openai.asking import Standing
from tests.serving import serving

people = count(1)


@pytest.fixture(scope="package")
def standing(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    place = tmp_path_factory.mktemp("standing")
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


@pytest.fixture
def ann() -> str:
    """Another one in each test."""
    return f"ann-{next(people)}"


@pytest.fixture
def client(standing: Standing, ann: str) -> Iterator[OpenAI]:
    """Ann's."""
    with standing.client(ann) as client:
        yield client


@pytest.fixture
async def async_client(standing: Standing, ann: str) -> AsyncIterator[AsyncOpenAI]:
    async with standing.async_client(ann) as client:
        yield client
