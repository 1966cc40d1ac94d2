"""Empty databases of other numbers of shards."""

from collections.abc import Callable

import pytest
from psycopg.conninfo import make_conninfo

from service.hansard import prepare
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from tests.conftest import SHARDS, command

OtherShards = Callable[[int], str]


@pytest.fixture(scope="session")
def other_shards(postgres: EmbeddedPostgres, template: str) -> OtherShards:
    """Templates, by the number of their shards."""
    made = {SHARDS: template}

    def template_of(shards: int) -> str:
        if shards not in made:
            made[shards] = f"hansard_template_{shards}"
            command(postgres, "CREATE DATABASE {}", made[shards])
            prepare(Settings(shards=shards), make_conninfo(postgres.dsn, dbname=made[shards]))
        return made[shards]

    return template_of
