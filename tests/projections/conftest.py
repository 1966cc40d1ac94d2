"""Here each test installs the projections that it is about."""

import pytest
from psycopg.conninfo import make_conninfo

from service.postgres.embedded import EmbeddedPostgres
from service.store.migrations import migrate
from tests.conftest import SHARDS, command

WITHOUT_PROJECTIONS = "hansard_without_projections"


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    command(postgres, "CREATE DATABASE {}", WITHOUT_PROJECTIONS)
    migrate(make_conninfo(postgres.dsn, dbname=WITHOUT_PROJECTIONS), shards=SHARDS)
    return WITHOUT_PROJECTIONS
