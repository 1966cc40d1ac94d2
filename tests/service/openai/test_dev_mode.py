"""Where nobody is asked who he is, and where too much is asked: answers in OpenAI's shape all the same."""

from tests.service.api.calling import as_user, asked_who, calling, problem

ANN = {"X-User-Id": "ann"}


async def test_the_user_is_named_by_a_header(dsn: str) -> None:
    async with calling(dsn) as client:
        made = (await client.post("/v1/conversations", json={}, headers=ANN)).json()["id"]
        assert (await client.get("/v1/conversations", headers=ANN)).json()["first_id"] == made
        for method in ("GET", "POST"):
            answer = await client.request(method, "/v1/conversations", json={} if method == "POST" else None)
            assert problem(answer) == (400, "user-not-named")
            assert "X-User-Id" in answer.json()["error"]["message"]
        by_its_id_alone = await client.get(f"/v1/conversations/{made}")
        assert by_its_id_alone.json()["id"] == made
        bob = await client.get(f"/v1/conversations/{made}", headers={"X-User-Id": "bob"})
        assert problem(bob) == (404, "conversation-not-found")


async def test_who_asks_too_often_is_told_when_to_ask_again(dsn: str) -> None:
    async with asked_who(dsn, rate_limit=1) as client:
        assert (await client.get("/v1/conversations", headers=as_user("ann"))).status_code == 200
        answer = await client.get("/v1/conversations", headers=as_user("ann"))
        assert problem(answer) == (429, "too-many-requests")
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert int(answer.headers["Retry-After"]) > 0
        assert "X-Should-Retry" not in answer.headers


async def test_a_body_that_is_too_long_is_told_so_before_it_is_read(dsn: str) -> None:
    async with calling(dsn, body_limit=1_000) as client:
        body = {"items": [{"role": "user", "content": "x" * 1_000}]}
        answer = await client.post("/v1/conversations", json=body, headers=ANN)
        assert problem(answer) == (413, "body-too-long")
