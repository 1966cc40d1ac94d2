"""What these tests share: a backend's key, and the session service that shows it."""

from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncClient

from service.agents.adk.session_service import HansardSessionService
from tests.service.api.calling import bearer, key
from tests.service.openai.asking import Standing


@pytest.fixture(scope="package")
def backend(standing: Standing) -> dict[str, str]:
    return bearer(key(standing.dsn, "adk", "admin"))


@pytest.fixture
async def hansard(standing: Standing, backend: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=standing.url, headers=backend) as client:
        yield client


@pytest.fixture
def sessions(hansard: AsyncClient) -> HansardSessionService:
    return HansardSessionService(hansard)


@pytest.fixture
def app(ann: str) -> str:
    """Whose state no other test changes."""
    return f"towers-of-{ann}"
