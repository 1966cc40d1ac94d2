"""`hansard seal`: a file of its own each time, or what can be piped on."""

import json
from pathlib import Path

import pytest

from service.cli.main import main
from tests.service.verify.test_seal_files import new_key, seal
from tests.serving import hansard


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "seal.key")


def test_no_seal_takes_the_place_of_another(
    dsn: str, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = seal(dsn, key, tmp_path / "sealed.json")
    before = sealed.read_bytes()
    assert main(["seal", "--dsn", dsn, "--key", str(key), "--out", str(sealed)]) == 1
    assert f"There is a file {sealed} already" in capsys.readouterr().err
    assert sealed.read_bytes() == before


def test_without_a_key_nothing_is_sealed_and_it_is_said_how_to_make_one(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["seal", "--dsn", dsn, "--data", str(tmp_path)]) == 1
    assert "`hansard keys seal` makes one" in capsys.readouterr().err


def test_a_seal_can_be_piped_away(dsn: str, key: Path) -> None:
    told = hansard("seal", "--dsn", dsn, "--key", str(key), "--out", "-")
    assert told.returncode == 0
    assert json.loads(told.stdout)["format"] == "hansard.seal.v1"
