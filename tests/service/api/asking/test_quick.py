"""A request that is read quickly is answered as the framework's own reading of it is."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.api.asking.quick import Unusual, query_of
from service.worker.door import Door
from service.worker.layer import Layer
from tests.service.api.calling import SECRET, as_user, bearer, calling, key
from tests.service.api.recording import ID, PLACE, TIME, at_once, by, started, user

ANN, BOB = by("ann"), by("bob")
IGNORED = {"ignored": "1"}
"""What no operation reads; it is unusual all the same."""


async def both_ways(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    params: dict[str, Any],
    headers: dict[str, str],
    **more: Any,
) -> tuple[httpx.Response, httpx.Response]:
    """Read quickly, and read by the framework."""
    quick = await client.request(method, path, params=params, headers=headers, **more)
    slow = await client.request(method, path, params=params | IGNORED, headers=headers, **more)
    return quick, slow


def of(answer: httpx.Response, but_for: tuple[str, ...] = ()) -> tuple[int, dict[str, str], str]:
    kept = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", *but_for)}
    return answer.status_code, kept, answer.text


def test_only_a_plain_query_is_read_quickly() -> None:
    assert query_of(b"") == {}
    assert query_of(b"limit=5&user_id=ann.b~c-d_e") == {"limit": "5", "user_id": "ann.b~c-d_e"}
    for unusual in (
        b"limit",
        b"limit=",
        b"limit=1&limit=2",
        b"user_id=a%20b",
        b"user_id=a+b",
        b"a=1&",
        b"=1",
    ):
        with pytest.raises(Unusual):
            query_of(unusual)


READS: list[tuple[str, dict[str, Any]]] = [
    ("/api/conversations", {}),
    ("/api/conversations", {"limit": 1}),
    ("/api/conversations", {"limit": 1, "active_only": "true"}),
    ("/api/conversations", {"limit": 0}),
    ("/api/conversations", {"limit": "x"}),
    ("/api/conversations", {"limit": "05"}),
    ("/api/conversations", {"cursor": "nonsense"}),
    ("/api/conversations", {"cursor": "null"}),
    ("/api/conversations", {"active_only": "1"}),
    ("/api/conversations", {"active_only": "perhaps"}),
    ("/api/conversations", {"user_id": "bob"}),
    ("/api/conversations", {"q": "Hi"}),
    ("/api/conversations/{id}", {}),
    ("/api/conversations/{other}", {}),
    ("/api/conversations/{id}/messages", {}),
    ("/api/conversations/{id}/messages", {"limit": 2}),
    ("/api/conversations/{id}/messages", {"limit": 2, "before": "{older}"}),
    ("/api/conversations/{id}/messages", {"after": "{older}"}),
    ("/api/conversations/{id}/messages", {"after": "{newer}"}),
    ("/api/conversations/{id}/messages", {"before": "{older}", "after": "{older}"}),
    ("/api/conversations/{id}/messages", {"before": "nonsense"}),
    ("/api/conversations/{other}/messages", {}),
    ("/api/conversations/{unknown}/messages", {}),
    ("/api/conversations/{ID}/messages", {}),
    ("/api/conversations/nonsense/messages", {}),
    ("/api/chat/sessions", {}),
    ("/api/chat/sessions", {"limit": 1}),
    ("/api/chat/sessions", {"limit": 1, "active_only": "false", "user_id": "ann"}),
    ("/api/chat/history", {}),
    ("/api/chat/history", {"limit": 2}),
    ("/api/chat/history", {"session_id": "{id}", "limit": 2}),
    ("/api/chat/history", {"session_id": "{other}"}),
    ("/api/chat/history", {"session_id": "nonsense"}),
    ("/api/chat/history", {"session_id": "null"}),
    ("/api/chat/{id}/history", {"limit": 2}),
    ("/api/chat/{other}/history", {}),
]


async def test_reads_are_answered_the_same_both_ways(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        made = await started(client, *(user(f"Hi {number}") for number in range(5)))
        await started(client, user("Hello"))
        other = await started(client, user("Hi"), by_user="bob")
        first = await client.get(
            f"/api/conversations/{made['id']}/messages", params={"limit": 2}, headers=ANN
        )
        facts = {
            "id": made["id"],
            "ID": made["id"].upper(),
            "other": other["id"],
            "unknown": str(uuid4()),
            "older": first.json()["older"],
            "newer": first.json()["newer"],
        }
        refused = 0
        for path, params in READS:
            given = {name: str(value).format(**facts) for name, value in params.items()}
            for headers in (ANN, {}):
                quick, slow = await both_ways(client, "GET", path.format(**facts), given, headers)
                assert of(quick) == of(slow), (path, given, headers)
                refused += quick.status_code >= 400
        assert 20 < refused < len(READS) * 2 - 20, "some of them are answered, and some refused"


async def test_an_etag_that_is_known_is_answered_the_same_both_ways(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        made = await started(client, user("Hi"))
        path = f"/api/conversations/{made['id']}"
        for known, status in ((f'"{made["version"]}"', 304), ('"99"', 200), ("nonsense", 200)):
            quick, slow = await both_ways(client, "GET", path, {}, {**ANN, "If-None-Match": known})
            assert of(quick) == of(slow)
            assert quick.status_code == status


BODIES: list[Any] = [
    user("Hi"),
    user("Hi", metadata={"a": [1, None]}, status="complete"),
    user("nul\0nul"),
    user("Hi", is_fortune="true"),
    user("Hi", tokens="5"),
    user("Hi", tokens=-1),
    user("Hi", role="nobody"),
    user("Hi", unknown=1),
    user("Hi", user_id="bob"),
    user("Hi", expected_version=99),
    user(""),
    {"role": "user"},
    {},
    [],
]


def without_its_own(answer: httpx.Response) -> Any:
    """Apart from what no two messages have in common."""
    text = PLACE.sub("PLACE", TIME.sub("TIME", ID.sub("ID", answer.text)))
    return answer.status_code, text.replace(f'"version":{answer.json().get("version")}', "")


async def test_a_message_is_taken_and_refused_the_same_both_ways(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        statuses = set()
        for body in BODIES:
            quick, slow = await both_ways(client, "POST", path, {}, ANN, json=body)
            assert without_its_own(quick) == without_its_own(slow), body
            statuses.add(quick.status_code)
        assert statuses == {201, 400, 409}
        for content in (
            b"",
            b"{",
            b'{"role":"user","content":"\xff"}',
            b'{"role":"user","content":"\\ud800"}',
        ):
            sent = {**ANN, "Content-Type": "application/json"}
            quick, slow = await both_ways(client, "POST", path, {}, sent, content=content)
            assert of(quick) == of(slow)
            assert quick.status_code == 400


async def test_a_key_and_a_version_count_however_a_message_is_read(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        with_key = {**ANN, "Idempotency-Key": "once"}
        once, twice = [await client.post(path, json=user("Hi"), headers=with_key) for _ in range(2)]
        assert once.text == twice.text
        late = await client.post(path, json=user("Hi"), headers={**ANN, "If-Match": '"1"'})
        assert late.status_code == 409


async def test_who_asks_is_asked_however_a_request_is_read(dsn: str) -> None:
    async with calling(dsn, auth="token", jwt_secret=SECRET) as client:
        reader = bearer(key(dsn, "reader", "read"))
        made = await client.post("/api/conversations", json={}, headers=as_user("ann"))
        path = f"/api/conversations/{made.json()['id']}/messages"
        for headers, status in (
            ({}, 401),
            (as_user("bob"), 404),
            (as_user("ann") | by("bob"), 403),
            (reader | ANN, 200),
            (as_user("ann"), 200),
        ):
            assert (await client.get(path, headers=headers)).status_code == status
        refused = await client.post(path, json=user("Hi"), headers=reader | ANN)
        assert (refused.status_code, refused.json()["type"]) == (403, "scope-missing")


async def test_only_what_is_unusual_goes_through_the_framework(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        layer = client.app.asgi_handler
        assert isinstance(layer, Layer)
        door = layer._app
        assert isinstance(door, Door)
        framework, seen = door._framework, list[str]()

        async def noted(scope: Any, receive: Any, send: Any) -> None:
            seen.append(f"{scope['method']} {scope['path']}")
            await framework(scope, receive, send)

        door._framework = noted
        path = f"/api/conversations/{made['id']}"
        for usual in (
            path,
            f"{path}/messages",
            "/api/conversations",
            "/api/chat/sessions",
            "/api/chat/history",
        ):
            assert (await client.get(usual, headers=ANN)).status_code == 200
        assert (await client.post(f"{path}/messages", json=user("Hi"), headers=ANN)).status_code == 201
        assert (await client.get(f"/api/conversations/{uuid4()}", headers=ANN)).status_code == 404
        assert seen == []
        odd = {**ANN, "Host": "local host"}
        assert (await client.get(path, headers=odd)).status_code == 400
        assert (await client.get(path.upper(), headers=ANN)).status_code == 404
        assert (await client.get(path, params=IGNORED, headers=ANN)).status_code == 200
        assert (await client.post(f"{path}/messages", json={}, headers=ANN)).status_code == 400
        assert seen == [f"GET {path}", f"GET {path.upper()}", f"GET {path}", f"POST {path}/messages"]


async def test_a_request_that_is_read_twice_counts_once(dsn: str) -> None:
    async with calling(dsn, rate_limit=40) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}/messages"
        statuses = [(await client.post(path, json={}, headers=ANN)).status_code for _ in range(30)]
        assert statuses == [400] * 30


async def test_another_site_is_told_the_same_however_it_is_read(dsn: str) -> None:
    site = "https://app.example"
    async with calling(dsn, cors_origins=site) as client:
        made = await started(client)
        path = f"/api/conversations/{made['id']}"
        quick, slow = await both_ways(client, "GET", path, {}, {**ANN, "Origin": site})
        assert of(quick) == of(slow)
        assert quick.headers["Access-Control-Allow-Origin"] == site
