"""What the tests of OpenAI's surface share: one service, and another user in each test."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from openai import AsyncOpenAI, OpenAI

from service.postgres.embedded import EmbeddedPostgres
from tests.service.openai.asking import Standing, standing_service

people = count(1)


@pytest.fixture(scope="package")
def standing(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    with standing_service(postgres, template, tmp_path_factory.mktemp("standing")) as standing:
        yield standing


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
