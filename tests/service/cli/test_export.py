"""`hansard export`: to a file that is complete when it says so, or to whatever reads it."""

import os
import stat
from pathlib import Path
from uuid import UUID

import pytest

from service.cli.main import main
from tests.service.transfer.test_export_import import file_of
from tests.service.transfer.test_import_conversations import said, taken, talk
from tests.serving import hansard

TALKS = [UUID(int=number) for number in range(1, 5)]
USERS = ("ann", "bob", "cleo", "dora")


@pytest.fixture
def file(dsn: str) -> bytes:
    """Four users' conversations, of three lines each."""
    for user, id in zip(USERS, TALKS, strict=True):
        taken(dsn, talk(said(1), said(2), user_id=user, id=id))
    return file_of(dsn)


def export(dsn: str, *flags: str) -> int:
    return main(["export", "--dsn", dsn, *flags])


def test_without_a_file_the_record_goes_to_standard_output(dsn: str, file: bytes) -> None:
    told = hansard("export", "--dsn", dsn)
    assert (told.returncode, told.stdout.encode()) == (0, file)


def test_a_file_that_is_there_is_left_alone_and_said_how_to_go_on_with(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"{")
    assert export(dsn, "--out", str(path)) == 1
    assert f"{path} is there already: name another file, or go on with it by --resume" in (
        capsys.readouterr().err
    )
    assert path.read_bytes() == b"{"
    assert export(dsn, "--out", str(path), "--resume") == 0


@pytest.mark.parametrize(
    "content", [b"one line", b"a table\nof several lines\n", b'{"format":"another","version":1}\n', b"\0" * 9]
)
def test_a_file_that_no_export_has_begun_is_left_alone(
    dsn: str, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    path.chmod(0o644)
    assert export(dsn, "--out", str(path), "--resume") == 1
    assert "is not one that an export has begun" in capsys.readouterr().err
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (content, 0o644)


def test_nobody_else_may_read_the_file_whoever_made_it(dsn: str, file: bytes, tmp_path: Path) -> None:
    new, begun = tmp_path / "new.jsonl", tmp_path / "begun.jsonl"
    begun.write_bytes(file[:100])
    begun.chmod(0o666)
    before = os.umask(0)
    try:
        assert export(dsn, "--out", str(new)) == 0
        assert export(dsn, "--out", str(begun), "--resume") == 0
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, begun)] == [0o600, 0o600]


def test_only_a_file_can_be_gone_on_with(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(dsn, "--resume") == 1
    assert "name it by --out" in capsys.readouterr().err


def test_one_users_or_one_conversations_part_can_be_asked_for(
    dsn: str, file: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (["--user", "bob"], ["--conversation", str(TALKS[1])]):
        path = tmp_path / f"{flags[0]}.jsonl"
        assert export(dsn, *flags, "--out", str(path)) == 0
        assert f"Exported to {path}" in capsys.readouterr().out
        lines = path.read_bytes().splitlines()
        assert lines[1:-1] == file.splitlines()[4:7]


def test_an_export_that_was_cut_off_goes_on(
    dsn: str, file: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.jsonl"
    for at in range(0, len(file), 97):
        path.write_bytes(file[:at])
        assert export(dsn, "--out", str(path), "--resume") == 0
        assert path.read_bytes() == file
    capsys.readouterr()
    assert export(dsn, "--out", str(path), "--resume") == 0
    assert capsys.readouterr().out == f"{path} is complete already\n"
    assert export(dsn, "--out", str(path), "--resume", "--user", "ann") == 1
    assert path.read_bytes() == file
