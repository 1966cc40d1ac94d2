"""Service keys: made once, kept as a digest, good for what their scope says, dead once revoked."""

import re
import time

import pytest

from service.access import keys
from service.access.keys import BadKeyName, KeyExists, NoSuchKey
from service.access.scopes import Scope
from service.api.asking import auth
from tests.service.api.calling import SECRET, bearer, key, problem, revoke
from tests.service.api.routes import telling
from tests.service.store.appending import rows

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
