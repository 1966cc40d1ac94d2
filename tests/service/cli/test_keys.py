"""`hansard keys`: keys that the service takes and lets go of, and the pair that seals are made with."""

import os
import stat
import time
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from service.access import keys
from service.cli.keys import list_of
from service.cli.main import main
from service.store.connections import Database
from tests.service.api.calling import SECRET, bearer, key, revoke
from tests.service.verify.test_seal_files import new_key
from tests.serving import hansard, serving


def test_the_list_shows_names_and_scopes_and_what_was_revoked(dsn: str) -> None:
    with Database.open(dsn).connect() as connection:
        assert list(list_of(keys.listed(connection))) == [
            "There is no key yet; `hansard keys create NAME` makes one"
        ]
        key(dsn, "backend")
        key(dsn, "grafana", "audit")
        revoke(dsn, "grafana")
        said = list(list_of(keys.listed(connection)))
    assert [line.split()[:2] for line in said] == [["backend", "write"], ["grafana", "audit"]]
    assert "revoked" not in said[0]
    assert "revoked" in said[1]


def test_a_key_from_the_command_line_is_taken_by_every_worker_and_its_end_too(
    data: Path, tmp_path: Path
) -> None:
    flags = ("--workers", "2", "--auth", "token")
    with serving(*flags, data=data, output=tmp_path / "out", HANSARD_JWT_SECRET=SECRET) as service:
        made = hansard("keys", "create", "backend", "--scope", "read", "--data", str(data))
        assert (made.returncode, made.stderr.count("not be shown again")) == (0, 1)
        headers = bearer(made.stdout.strip()) | {"X-User-Id": "alice"}
        path = service.url + "/api/conversations"

        def asked() -> set[int]:
            return {httpx.get(path, headers=headers).status_code for _ in range(20)}

        assert asked() == {200}
        assert "backend  read" in hansard("keys", "list", "--data", str(data)).stdout
        assert hansard("keys", "revoke", "backend", "--data", str(data)).returncode == 0
        time.sleep(1.1)
        assert asked() == {401}
        wrong = hansard("keys", "revoke", "nobody", "--data", str(data))
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert wrong.stderr.startswith("hansard: There is no key named nobody")


def test_a_new_key_is_for_its_owners_eyes_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = os.umask(0)
    try:
        key = new_key(tmp_path / "new" / "seal.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    private = load_pem_private_key(key.read_bytes(), None)
    public = load_pem_public_key(Path(f"{key}.pub").read_bytes())
    assert isinstance(private, Ed25519PrivateKey)
    assert private.public_key() == public
    assert private.public_key().public_bytes_raw().hex() in capsys.readouterr().out


def test_without_a_name_the_key_is_in_the_data_folder_where_seals_look_for_it(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "seal", "--data", "data"]) == 0
    assert main(["seal", "--dsn", dsn, "--data", "data"]) == 0
    (sealed,) = tmp_path.glob("hansard-*.seal.json")
    assert sealed.name in capsys.readouterr().out
    assert main(["verify", "--dsn", dsn, "--data", "data", "--seal", sealed.name]) == 0


def test_no_key_takes_the_place_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = new_key(tmp_path / "seal.key")
    before = key.read_bytes()
    assert main(["keys", "seal", "--out", str(key)]) == 1
    assert key.read_bytes() == before
    key.unlink()
    assert main(["keys", "seal", "--out", str(key)]) == 1
    assert f"There is a file {key}.pub already" in capsys.readouterr().err
    assert not key.exists()
