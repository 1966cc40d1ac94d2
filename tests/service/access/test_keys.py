"""Service keys: made once, kept as a digest, good for what their scope says, dead once revoked."""

import re
import time
from pathlib import Path

import httpx
import pytest

from service.access import keys
from service.access.keys import BadKeyName, KeyExists, NoSuchKey
from service.access.scopes import Scope
from service.api.asking import auth
from service.cli.keys import list_of
from service.store.connections import Database
from tests.service.api.calling import SECRET, bearer, key, problem, revoke
from tests.service.api.routes import telling
from tests.service.store.appending import rows
from tests.serving import hansard, serving

TOKEN = {"auth": "token", "jwt_secret": SECRET}
WORDS = {"words": "Hi", "user_id": "alice"}


async def test_a_key_acts_for_whomever_it_names_and_the_log_knows_the_key(dsn: str) -> None:
    shown = bearer(key(dsn))
    async with telling(dsn, **TOKEN) as client:
        answer = await client.post("/write", json=WORDS, headers=shown)
        assert (answer.json()["user_id"], answer.json()["actor"]) == ("alice", "key:backend")
        assert problem(await client.get("/caller", headers=shown)) == (400, "user-not-named")


SCOPES = {
    "read": {"read"},
    "write": {"read", "write"},
    "audit": {"read", "audit"},
    "admin": {"read", "write", "audit"},
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_may_do_what_its_scope_says_and_nothing_else(dsn: str, scope: Scope) -> None:
    shown = bearer(key(dsn, scope=scope))
    async with telling(dsn, **TOKEN) as client:
        answers = {
            "read": await client.get("/caller", params={"user_id": "alice"}, headers=shown),
            "write": await client.post("/write", json=WORDS, headers=shown),
            "audit": await client.get("/audit", headers=shown),
        }
    for needed, answer in answers.items():
        if needed in SCOPES[scope]:
            assert answer.status_code == 200
        else:
            assert problem(answer) == (403, "scope-missing")
            assert needed in answer.json()["detail"]


async def test_the_metrics_take_an_audit_key(dsn: str) -> None:
    async with telling(dsn, **TOKEN) as client:
        assert problem(await client.get("/metrics", headers=bearer(key(dsn)))) == (403, "scope-missing")
        auditor = bearer(key(dsn, "prometheus", "audit"))
        assert (await client.get("/metrics", headers=auditor)).status_code == 200


@pytest.mark.parametrize(
    "shown", ["hsk_", "hsk_" + "A" * 43, "hsk_" + "x" * 5_000, "hsk_'; --", "hsk_\u00e9"]
)
async def test_a_key_that_there_is_not_is_refused(dsn: str, shown: str) -> None:
    async with telling(dsn, **TOKEN) as client:
        header = [(b"Authorization", f"Bearer {shown}".encode())]
        assert problem(await client.get("/whoami", headers=header)) == (401, "not-authenticated")


async def test_a_revoked_key_is_dead_at_once_where_it_was_not_in_use(dsn: str) -> None:
    shown = bearer(key(dsn))
    revoke(dsn)
    async with telling(dsn, **TOKEN) as client:
        assert problem(await client.get("/whoami", headers=shown)) == (401, "not-authenticated")


async def test_a_revoked_key_is_dead_within_a_second_where_it_was(dsn: str) -> None:
    shown = bearer(key(dsn))
    async with telling(dsn, **TOKEN) as client:
        assert (await client.get("/whoami", headers=shown)).status_code == 200
        revoke(dsn)
        revoked = time.monotonic()
        while (await client.get("/whoami", headers=shown)).status_code == 200:
            assert time.monotonic() - revoked < 1.2
        assert problem(await client.get("/whoami", headers=shown)) == (401, "not-authenticated")


async def test_a_key_in_use_is_looked_up_once_a_second(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, look = [], keys.valid_key

    async def counted(*given: object) -> object:
        looked.append(given)
        return await look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(auth, "valid_key", counted)
    shown = bearer(key(dsn))
    async with telling(dsn, **TOKEN) as client:
        for _ in range(20):
            assert (await client.get("/whoami", headers=shown)).status_code == 200
    assert len(looked) <= 2


async def test_without_its_database_no_key_is_taken_and_none_is_refused() -> None:
    async with telling(None, **TOKEN) as client:
        answer = await client.get("/whoami", headers=bearer("hsk_" + "A" * 43))
        assert problem(answer) == (503, "store-unavailable")


def test_the_database_holds_no_key_only_its_digest(dsn: str) -> None:
    shown = key(dsn)
    assert re.fullmatch(r"hsk_[A-Za-z0-9_-]{43}", shown)
    (row,) = rows(dsn, "SELECT * FROM service_keys")
    assert shown not in str(row)
    assert shown.removeprefix("hsk_") not in str(row)


def test_no_two_keys_have_one_name_not_even_after_one_was_revoked(dsn: str) -> None:
    key(dsn)
    with pytest.raises(KeyExists):
        key(dsn)
    revoke(dsn)
    with pytest.raises(KeyExists):
        key(dsn)


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 65, "a\nb", "é"])
def test_a_name_that_would_spoil_a_list_is_refused(dsn: str, name: str) -> None:
    with pytest.raises(BadKeyName):
        key(dsn, name)


def test_revoking_twice_keeps_the_first_time(dsn: str) -> None:
    key(dsn)
    revoke(dsn)
    first = rows(dsn, "SELECT revoked_at FROM service_keys")
    revoke(dsn)
    assert rows(dsn, "SELECT revoked_at FROM service_keys") == first
    with pytest.raises(NoSuchKey):
        revoke(dsn, "another")


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


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - to be refused
def test_without_authentication_no_other_machine_is_let_in(data: Path, host: str) -> None:
    tried = hansard("serve", "--host", host, "--data", str(data))
    assert tried.returncode == 1
    assert tried.stderr.count("\n") == 1
    assert "HANSARD_AUTH=token" in tried.stderr
    assert not data.exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HANSARD_JWT_SECRET", "short"), ("HANSARD_JWT_JWKS", "/nowhere"), ("HANSARD_CORS_ORIGINS", "*")],
)
def test_a_key_or_site_that_cannot_be_used_is_told_before_anything_starts(
    data: Path, variable: str, value: str
) -> None:
    tried = hansard("serve", "--data", str(data), **{variable: value})
    assert (tried.returncode, tried.stderr.count("\n")) == (2, 1)
    assert variable in tried.stderr
    assert not data.exists()
