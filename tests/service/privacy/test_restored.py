"""A database that was restored without its comments: what is live is known all the same."""

import asyncio
from pathlib import Path

from service.cli.main import main
from service.hansard import running
from service.postgres.embedded import EmbeddedPostgres
from service.privacy import forget
from service.settings.settings import Settings
from service.store.connections import connect
from service.store.migrations import migrate
from service.store.repository import Caller
from tests.conftest import SHARDS
from tests.restoring import dump, restored
from tests.service.privacy.marking import USER, marked
from tests.service.privacy.test_erasing import follow
from tests.service.store.appending import rows

ROWS = """
SELECT (SELECT count(*) FROM hansard.history_g1), (SELECT count(*) FROM hansard.search_g1),
    (SELECT count(*) FROM hansard.usage_g1), (SELECT count(*) FROM hansard.conversations_g1)"""
OF_FIRST = "SELECT count(*) FROM pg_class WHERE relname LIKE '%%_g1' AND relkind = 'r'"


async def test_anonymising_after_a_restore_without_comments_deletes_no_row_that_is_read(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await marked(hansard)
        await asyncio.to_thread(follow, hansard)
    dump(dsn, tmp_path / "dump.sql", "--no-comments")
    with restored(postgres, tmp_path / "dump.sql") as again:
        before = rows(again, ROWS)
        async with running(Settings(dsn=again, shards=SHARDS), again) as hansard:
            await forget.anonymise(hansard, Caller(USER), conversation_id)
        assert rows(again, ROWS) == before == [(2, 2, 1, 1)]
        assert main(["verify", "--dsn", again]) == 0
        assert main(["replay", "--dsn", again]) == 0
        assert rows(again, OF_FIRST) == [(0,)], "nor is the older build left behind"


async def test_a_build_from_before_is_named_by_the_migration(dsn: str) -> None:
    """With its comments, or where a restore has left them out."""
    built = "SELECT projection, generation, name FROM hansard.build_tables ORDER BY name"
    before = rows(dsn, built)
    assert [name for _, _, name in before] == [
        "conversation_links_g1",
        "conversations_g1",
        "history_g1",
        "search_g1",
        "usage_g1",
    ]
    with connect(dsn) as connection:
        for comments in (True, False):
            connection.execute("DROP TABLE build_tables")
            connection.execute("DELETE FROM migrations WHERE name LIKE '%_build_tables.sql'")
            if not comments:
                for _, _, name in before:
                    connection.execute(f"COMMENT ON TABLE {name} IS NULL".encode())
            assert len(migrate(dsn).applied) == 1
            assert rows(dsn, built) == before
