"""`hansard erase`, and what was erased before a restore is erased again after it."""

import asyncio
import io
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service.cli.main import main
from service.hansard import running
from service.postgres.embedded import EmbeddedPostgres
from service.privacy import forget, journal
from service.settings.settings import Settings
from service.store.repository import Caller
from tests.conftest import SHARDS
from tests.service.privacy.dumping import dumped
from tests.service.privacy.marking import MARKER, OTHER, USER, marked
from tests.service.store.appending import rows


def settings(dsn: str, **more: Any) -> Settings:
    return Settings(dsn=dsn, shards=SHARDS, **more)


async def two_users(dsn: str) -> UUID:
    async with running(settings(dsn), dsn) as hansard:
        await marked(hansard, OTHER, "innocent")
        return await marked(hansard)


def erase(dsn: str, *flags: str) -> int:
    return main(["erase", "--dsn", dsn, *flags])


@pytest.mark.parametrize("what", [["--user", USER], ["--conversation"], ["--opportunity", f"opp-{MARKER}"]])
def test_what_is_erased_from_the_command_line_is_gone(
    dsn: str, what: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    conversation_id = asyncio.run(two_users(dsn))
    flags = [*what, str(conversation_id)] if what == ["--conversation"] else what
    assert erase(dsn, *flags) == 1
    assert "say yes" in capsys.readouterr().err
    assert MARKER in dumped(dsn)
    assert erase(dsn, *flags, "--yes", "--reason", f"{USER} wrote a letter") == 0
    first = capsys.readouterr().out
    assert "erased 1 conversations, 2 messages" in first
    assert MARKER not in dumped(dsn).replace(f"{USER} wrote", "") or what[0] != "--user"
    assert "innocent" in dumped(dsn)
    assert erase(dsn, *flags, "--yes") == 0
    assert capsys.readouterr().out == first
    assert main(["verify", "--dsn", dsn, "--only", "chains"]) == 0


def test_what_is_no_link_and_no_time_is_told(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--link", "nothing"], ["--again-since", "yesterday"]):
        with pytest.raises(SystemExit):
            erase(dsn, *flags)
        assert "no " in capsys.readouterr().err
    assert erase(dsn, "--again-since", "2026-01-01") == 1
    assert "HANSARD_ERASURE_JOURNAL" in capsys.readouterr().err


def copied(postgres: EmbeddedPostgres, dsn: str, name: str) -> str:
    """A backup, restored: the database as it stood when it was made."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        source = str(conninfo_to_dict(dsn)["dbname"])
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(source)))
    return make_conninfo(dsn, dbname=name)


def test_after_a_restore_what_was_erased_is_erased_again(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "erasures.jsonl"
    asyncio.run(two_users(dsn))
    restored = copied(postgres, dsn, "restored")

    async def forgotten() -> list[str]:
        async with running(settings(dsn, erasure_journal=journal), dsn) as hansard:
            one = await forget.erase_all(hansard, Caller(USER))
            await marked(hansard, "late", "later")
            late = await forget.erase_all(hansard, Caller("late"))
            return [str(one.receipt.id), str(late.receipt.id)]

    ids = asyncio.run(forgotten())
    assert MARKER not in journal.read_text()
    flags = ["--erasure-journal", str(journal)]
    assert MARKER in dumped(restored)
    assert erase(restored, "--again-since", "2020-01-01", *flags) == 0
    told = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[1].rstrip(":") for line in told) == sorted(ids)
    assert MARKER not in dumped(restored)
    assert "innocent" in dumped(restored)
    receipts = "SELECT id::text, counts->>'messages' FROM hansard.receipts ORDER BY id"
    assert rows(restored, receipts) == rows(dsn, receipts)
    assert erase(restored, "--again-since", "2020-01-01", *flags) == 0
    assert erase(restored, "--again-since", "2090-01-01", *flags) == 0
    assert main(["verify", "--dsn", restored, "--only", "chains"]) == 0
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE restored WITH (FORCE)")


def test_a_line_that_is_no_receipt_is_named(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "erasures.jsonl"
    journal.write_text("nonsense\n")
    assert erase(dsn, "--again-since", "2020-01-01", "--erasure-journal", str(journal)) == 1
    assert "Line 1" in capsys.readouterr().err


async def test_a_line_that_was_cut_off_takes_no_other_with_it(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    async with running(settings(dsn, erasure_journal=path), dsn) as hansard:
        first = await forget.erase_all(hansard, Caller(USER))
        with path.open("a") as torn:
            torn.write('{"shard":1,"id":"01')
        second = await forget.erase_all(hansard, Caller(OTHER))
    lines = path.read_text().splitlines()
    with pytest.raises(journal.JournalUnreadable, match="Line 2"):
        list(journal.read(path))
    path.write_text("\n".join([lines[0], "", *lines[2:]]))
    assert [receipt.id for receipt in journal.read(path)] == [first.receipt.id, second.receipt.id]


def test_unfinished_erasures_are_gone_on_with(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert erase(dsn, "--unfinished") == 0
    assert capsys.readouterr().out == ""


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("", 1), ("n\n", 1), ("perhaps\n", 1), ("y\n", 0), ("YES\n", 0)])
def test_at_a_terminal_it_is_asked_whether_that_is_meant(
    dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, code: int
) -> None:
    asyncio.run(two_users(dsn))
    monkeypatch.setattr("sys.stdin", Keyboard(typed or "\n"))
    assert erase(dsn, "--user", USER) == code
    assert f"Erase everything of {USER}, for good? [y/N]" in capsys.readouterr().out
    assert (MARKER in dumped(dsn)) == (code == 1)


@pytest.mark.parametrize(
    "flags",
    [["--user", ""], ["--opportunity", ""], ["--user", USER, "--reason", "x" * 100_000], ["--user", USER]],
)
def test_what_is_refused_is_refused_before_the_database_is_looked_for(
    tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", "--data", str(tmp_path / "none"), *flags]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "none").exists()
