"""What these tests share: a service, a scripted model, and another user in each test."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from openai import AsyncOpenAI

from service.postgres.embedded import EmbeddedPostgres
from tests.model import Model, scripted
from tests.service.openai.asking import Standing, standing_service

people = count(1)


@pytest.fixture(scope="package")
def standing(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    with standing_service(postgres, template, tmp_path_factory.mktemp("standing")) as standing:
        yield standing


@pytest.fixture
def model() -> Iterator[Model]:
    with scripted() as model:
        yield model


@pytest.fixture
def ann() -> str:
    return f"ann-{next(people)}"


@pytest.fixture
async def client(standing: Standing, ann: str) -> AsyncIterator[AsyncOpenAI]:
    async with standing.async_client(ann) as client:
        yield client
