"""A pooler that does not pass on what Hansard sets on its connections is refused before anything is made."""

from pathlib import Path

import psycopg
import pytest

from tests.pooler import pooled
from tests.serving import hansard

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'hansard')"
RIGHT = "give one that leads to PostgreSQL itself\n"


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
@pytest.mark.parametrize(
    ("ignored", "why"),
    [
        ("", "refuses what Hansard sets on every connection"),
        ("options", 'drops (search_path is "$user", public, the role hansard) what Hansard sets'),
    ],
)
def test_pgbouncer_is_refused_in_words(empty_dsn: str, data: Path, mode: str, ignored: str, why: str) -> None:
    with pooled(empty_dsn, data.parent, mode, ignored) as dsn:
        for command in (["migrate"], ["serve", "--port", "0"], ["status"]):
            told = hansard(*command, "--dsn", dsn)
            assert (told.returncode, told.stderr.count("\n")) == (1, 1), told.stderr
            assert told.stderr.startswith(
                "hansard: The DSN leads to a connection pooler, such as PgBouncer, "
            )
            assert why in told.stderr
            assert told.stderr.endswith(RIGHT)
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute(TABLES).fetchone() == (0,)
