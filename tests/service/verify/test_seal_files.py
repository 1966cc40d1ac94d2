"""The keys of seals and the files of seals: what is forged or edited is told, and nothing is written over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cli.main import main
from service.verify.seal import every_for


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "seal.key")


@pytest.fixture
def sealed(dsn: str, key: Path, tmp_path: Path) -> Path:
    return seal(dsn, key, tmp_path / "sealed.json")


def new_key(file: Path) -> Path:
    assert main(["keys", "seal", "--out", str(file)]) == 0
    return file


def seal(dsn: str, key: Path, file: Path) -> Path:
    assert main(["seal", "--dsn", dsn, "--key", str(key), "--out", str(file)]) == 0
    return file


def compare(dsn: str, sealed: Path, key: Path) -> int:
    given = ("--seal", str(sealed), "--public-key", f"{key}.pub")
    return main(["verify", "--dsn", dsn, "--only", "seal", *given])


def test_what_is_no_key_is_told(
    dsn: str, key: Path, sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (b"", b"not a key", Path(f"{key}.pub").read_bytes()):
        (tmp_path / "wrong").write_bytes(wrong)
        assert main(["seal", "--dsn", dsn, "--key", str(tmp_path / "wrong")]) == 1
        assert "holds no private Ed25519 key" in capsys.readouterr().err
    given = ("--seal", str(sealed), "--public-key", str(key))
    assert main(["verify", "--dsn", dsn, *given]) == 1
    assert "holds no public Ed25519 key" in capsys.readouterr().err


def test_a_seal_of_another_key_is_named(
    dsn: str, sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    another = new_key(tmp_path / "another.key")
    assert compare(dsn, sealed, another) == 1
    assert f"{sealed} was sealed with the key {json.loads(sealed.read_text())['public_key']}" in (
        capsys.readouterr().err
    )


def test_a_seal_proves_nothing_without_a_public_key(
    dsn: str, sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--dsn", dsn, "--data", str(tmp_path / "none"), "--seal", str(sealed)]) == 1
    assert "A seal proves nothing unless it is known whose it is" in capsys.readouterr().err


def fewer_events(seal: dict[str, Any]) -> None:
    seal["shards"][0]["events"] = 7


def another_digest(seal: dict[str, Any]) -> None:
    seal["shards"][0]["digest"] = "0" * 64


def another_time(seal: dict[str, Any]) -> None:
    seal["sealed_at"] = "2001-01-01T00:00:00Z"


def another_signature(seal: dict[str, Any]) -> None:
    seal["signature"] = "0" * 128


def no_signature(seal: dict[str, Any]) -> None:
    seal["signature"] = ""


def a_signature_that_is_none(seal: dict[str, Any]) -> None:
    seal["signature"] = "signed!"


def another_name(seal: dict[str, Any]) -> None:
    seal["public_key"] = "0" * 64


@pytest.mark.parametrize(
    "edit",
    [
        *(fewer_events, another_digest, another_time),
        *(another_signature, no_signature, a_signature_that_is_none, another_name),
    ],
)
def test_a_seal_that_was_edited_is_named(
    dsn: str,
    key: Path,
    sealed: Path,
    edit: Callable[[dict[str, Any]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    seal = json.loads(sealed.read_text())
    edit(seal)
    sealed.write_text(json.dumps(seal))
    assert compare(dsn, sealed, key) == 1
    assert f"{sealed} is not what was signed" in capsys.readouterr().err


def test_a_seal_may_be_laid_out_in_another_way(dsn: str, key: Path, sealed: Path) -> None:
    seal = json.loads(sealed.read_text())
    sealed.write_text(json.dumps(dict(reversed(seal.items())), separators=(",", ":")))
    assert compare(dsn, sealed, key) == 0


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": "hansard.seal.v9"}', "\xff", '{"format": "hansard.seal.v1", "more": 1}']
)
def test_what_is_no_seal_is_told(
    dsn: str, key: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sealed.json").write_text(text, encoding="latin-1")
    assert compare(dsn, tmp_path / "sealed.json", key) == 1
    assert "is no seal that this version of Hansard can read" in capsys.readouterr().err


def test_a_seal_that_is_not_there_is_told(
    dsn: str, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(dsn, tmp_path / "none.json", key) == 1
    assert "none.json cannot be used: No such file or directory" in capsys.readouterr().err


def test_a_seal_of_many_events_stays_small_and_one_of_few_names_each() -> None:
    assert every_for(0, 64) == every_for(1_024, 64) == 1
    assert every_for(1_025, 64) == 2
    assert every_for(100_000_000 // 64, 64) == 2_048
    assert every_for(1_000_000, 4_096) == 16_384
