"""Here each test installs the projections that it is about."""

from collections.abc import Iterator

import pytest

from service.store.migrations import migrate
from tests.cluster import DISTRIBUTION
from tests.conftest import SHARDS, Servers, template_made


@pytest.fixture(scope="session")
def template(postgres: Servers) -> Iterator[str]:
    with template_made(postgres, lambda dsn: migrate(dsn, shards=SHARDS, distribution=DISTRIBUTION)) as name:
        yield name
