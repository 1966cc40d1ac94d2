"""A user's token is taken when it proves whose it is, and by nothing but the key that it is for."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from service.access.tokens import BadToken, Tokens, sign
from service.settings.settings import BadSetting, Settings
from tests.service.api.calling import SECRET, as_user, bearer, problem, token
from tests.service.api.routes import telling

TOKEN = {"auth": "token", "jwt_secret": SECRET}
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
PUBLIC = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)


def with_header(claims: dict[str, Any], header: dict[str, Any], signature: str = "") -> str:
    parts = [json.dumps(each).encode() for each in (header, claims)]
    return ".".join([urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts] + [signature])


SOON = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
REFUSED = {
    "expired": (token(exp=LONG_AGO), "it has expired"),
    "no exp": (token(exp=None), "it has no exp"),
    "no sub": (jwt.encode({"exp": SOON}, SECRET), "it has no sub"),
    "a sub that is no text": (jwt.encode({"sub": 1, "exp": SOON}, SECRET), "its sub is not text"),
    "an empty sub": (token(""), "sub is empty"),
    "a sub with a NUL": (token("a\0b"), "sub holds a NUL"),
    "not yet valid": (token(nbf=SOON), "it is not valid yet"),
    "another secret": (token(secret="x" * 40), "its signature is wrong"),
    "a changed claim": (token()[:-1] + ("A" if token()[-1] != "A" else "B"), ""),
    "alg none": (with_header({"sub": "alice", "exp": SOON}, {"alg": "none"}), "signed with no key"),
    "alg None": (with_header({"sub": "alice", "exp": SOON}, {"alg": "None"}), "signed with no key"),
    "no alg": (with_header({"sub": "alice", "exp": SOON}, {}), ""),
    "alg HS512": (token(secret="x" * 64, algorithm="HS512"), "signed with no key"),
    "an exp without end": (with_header({}, {"alg": "HS256"}, "AAAA"), "its signature is wrong"),
    "not a token": ("abc", "neither a user's token nor a service key"),
    "dots": ("...", "neither a user's token nor a service key"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_proves_nothing_is_refused_and_told_why(name: str) -> None:
    shown, why = REFUSED[name]
    async with telling(None, **TOKEN) as client:
        answer = await client.get("/whoami", headers=bearer(shown))
        assert problem(answer) == (401, "not-authenticated")
        assert why in answer.json()["detail"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Basic YTpi", "bearer", token()])
async def test_whoever_shows_nothing_is_told_what_to_show(given: str | None) -> None:
    async with telling(None, **TOKEN) as client:
        answer = await client.get("/whoami", headers={} if given is None else {"Authorization": given})
        assert problem(answer) == (401, "not-authenticated")
        assert "Bearer" in answer.json()["detail"]


async def test_a_request_is_refused_before_its_body_is_looked_at() -> None:
    async with telling(None, **TOKEN) as client:
        answer = await client.post("/write", content=b"{not json")
        assert problem(answer) == (401, "not-authenticated")


@pytest.mark.parametrize("audience", [None, "another", ["another"]])
async def test_the_audience_is_checked_when_it_is_set(audience: Any) -> None:
    async with telling(None, **TOKEN, jwt_audience="hansard") as client:
        answer = await client.get("/whoami", headers=as_user(aud=audience))
        assert problem(answer) == (401, "not-authenticated")
        both = await client.get("/whoami", headers=as_user(aud=["another", "hansard"]))
        assert both.status_code == 200


async def test_the_issuer_is_checked_when_it_is_set() -> None:
    async with telling(None, **TOKEN, jwt_issuer="https://id.example") as client:
        wrong = await client.get("/whoami", headers=as_user(iss="https://evil.example"))
        assert problem(wrong) == (401, "not-authenticated")
        assert problem(await client.get("/whoami", headers=as_user())) == (401, "not-authenticated")
        right = await client.get("/whoami", headers=as_user(iss="https://id.example"))
        assert right.status_code == 200


async def test_a_tokens_audience_does_not_matter_when_none_is_set() -> None:
    async with telling(None, **TOKEN) as client:
        assert (await client.get("/whoami", headers=as_user(aud="another"))).status_code == 200


def test_a_token_that_was_taken_before_is_refused_once_it_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens, shown = Tokens(Settings(jwt_secret=SECRET)), token(exp=int(time.time()) + 60)
    assert [tokens.taken(shown).user_id for _ in range(2)] == ["alice", "alice"]
    monkeypatch.setattr("service.access.tokens.LEEWAY", -61)  # as if a minute had gone by
    with pytest.raises(BadToken, match="it has expired"):
        tokens.taken(shown)


def test_a_token_that_was_taken_vouches_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.access.tokens.MOST_TAKEN", 3)
    tokens = Tokens(Settings(jwt_secret=SECRET))
    for name in ("alice", "bob", "carol", "dave", "alice"):
        shown = token(name)
        assert tokens.taken(shown).user_id == name
        with pytest.raises(BadToken):
            tokens.taken(shown[:-4] + "AAAA")


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("private", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
def test_a_public_key_takes_only_what_its_private_half_signed(
    tmp_path: Path, private: Any, algorithm: str
) -> None:
    public = private.public_key().public_bytes(*PUBLIC)
    tokens = Tokens(Settings(jwt_public_key=written(tmp_path, "key.pem", public)))
    signed = jwt.encode({"sub": "alice", "exp": SOON}, private, algorithm=algorithm)
    assert tokens.taken(signed).user_id == "alice"
    with pytest.raises(Exception, match="signed with no key"):
        tokens.taken(token())


def test_a_public_key_is_no_secret_to_sign_with(tmp_path: Path) -> None:
    public = RSA_KEY.public_key().public_bytes(*PUBLIC)
    tokens = Tokens(Settings(jwt_public_key=written(tmp_path, "key.pem", public), jwt_secret=SECRET))
    head = token().rpartition(".")[0]
    forged = urlsafe_b64encode(hmac.digest(public, head.encode(), "sha256")).rstrip(b"=").decode()
    with pytest.raises(Exception, match="its signature is wrong"):
        tokens.taken(f"{head}.{forged}")


def jwk(private: Any, **more: str) -> dict[str, Any]:
    kind = (
        jwt.algorithms.RSAAlgorithm if isinstance(private, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    )
    made: dict[str, Any] = kind.to_jwk(private.public_key(), as_dict=True)
    return made | more


def test_each_key_of_a_jwks_takes_its_own_tokens(tmp_path: Path) -> None:
    listed = {
        "keys": [jwk(RSA_KEY, kid="one", use="sig"), jwk(EC_KEY, kid="two"), {"kty": "oct", "k": "AAAA"}]
    }
    tokens = Tokens(Settings(jwt_jwks=written(tmp_path, "jwks.json", json.dumps(listed).encode())))
    for private, algorithm, key_id in ((RSA_KEY, "RS256", "one"), (EC_KEY, "ES256", "two")):
        claims = {"sub": "alice", "exp": SOON}
        assert (
            tokens.taken(jwt.encode(claims, private, algorithm, headers={"kid": key_id})).user_id == "alice"
        )
        assert tokens.taken(jwt.encode(claims, private, algorithm)).user_id == "alice"
        with pytest.raises(Exception, match="signed with no key"):
            tokens.taken(jwt.encode(claims, private, algorithm, headers={"kid": "three"}))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no", "is not a JWKS"),
        (b"{}", "is not a JWKS"),
        (b"[]", "is not a JWKS"),
        (b'{"keys": []}', "holds no key"),
        (b'{"keys": [{"kty": "RSA"}]}', "is not a JWKS"),
        (b'{"keys": [{"kty": "oct", "k": "AAAA"}]}', "holds no key"),
    ],
)
def test_a_jwks_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        Tokens(Settings(jwt_jwks=written(tmp_path, "jwks.json", content)))


def test_a_key_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    small = rsa.generate_private_key(65537, 1024).public_key().public_bytes(*PUBLIC)  # noqa: S505 - to be refused
    other = ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(*PUBLIC)
    for content in (small, other, b"nothing", RSA_KEY.private_bytes(*PRIVATE)):
        with pytest.raises(BadSetting, match="HANSARD_JWT_PUBLIC_KEY"):
            Tokens(Settings(jwt_public_key=written(tmp_path, "key.pem", content)))
    with pytest.raises(BadSetting, match="cannot be read"):
        Tokens(Settings(jwt_public_key=tmp_path / "nowhere"))


def test_a_secret_that_can_be_guessed_is_refused_and_not_shown() -> None:
    with pytest.raises(BadSetting) as refused:
        Tokens(Settings(jwt_secret="swordfish"))
    assert "32" in str(refused.value)
    assert "swordfish" not in str(refused.value)


async def test_a_token_that_was_signed_here_is_taken_here() -> None:
    settings = {**TOKEN, "jwt_issuer": "https://id.example", "jwt_audience": "hansard"}
    signed = sign(Settings(**settings), "alice", 5)  # type: ignore[arg-type]
    async with telling(None, **settings) as client:
        assert (await client.get("/whoami", headers=bearer(signed))).json()["user_id"] == "alice"
