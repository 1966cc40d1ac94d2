"""`hansard token`: a token as an application would sign it."""

from pathlib import Path

import httpx

from tests.service.api.calling import SECRET, bearer
from tests.serving import hansard, serving


def test_a_token_from_the_command_line_is_taken_by_the_service(data: Path, tmp_path: Path) -> None:
    with serving("--auth", "token", data=data, output=tmp_path / "out", HANSARD_JWT_SECRET=SECRET) as service:
        signed = hansard("token", "--user", "alice", HANSARD_JWT_SECRET=SECRET)
        assert signed.returncode == 0
        answer = httpx.get(service.url + "/api/conversations", headers=bearer(signed.stdout.strip()))
        assert answer.status_code == 200
        assert httpx.get(service.url + "/api/conversations").status_code == 401


def test_no_token_is_signed_without_a_secret_or_a_user() -> None:
    missing = hansard("token", "--user", "alice")
    assert missing.returncode == 2
    assert "HANSARD_JWT_SECRET" in missing.stderr
    assert hansard("token", "--user", "", HANSARD_JWT_SECRET=SECRET).returncode == 1
    assert hansard("token", "--user", "alice", "--minutes", "0", HANSARD_JWT_SECRET=SECRET).returncode == 2
