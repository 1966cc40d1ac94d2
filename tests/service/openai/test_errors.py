"""Refusals, as the exceptions that OpenAI's own client makes of them; and how often it tries again."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.service.api.calling import SECRET, bearer, key
from tests.service.api.routes import telling
from tests.service.openai.asking import Standing, words

UNKNOWN = "conv_" + "0" * 32


def refusal(asked: Callable[[], Any], kind: type[openai.APIStatusError]) -> openai.APIStatusError:
    with pytest.raises(kind) as refused:
        asked()
    error = refused.value
    assert isinstance(error.body, dict)
    assert error.body.keys() == {"message", "type", "param", "code"}
    assert error.request_id
    return error


@pytest.mark.parametrize("unknown", [UNKNOWN, "conv_1", "thr_abc", "0198c2a4-7d30-7b61-9c4e-2f8a51d0e7b3"])
def test_an_unknown_conversation_is_not_found(client: OpenAI, unknown: str) -> None:
    error = refusal(lambda: client.conversations.retrieve(unknown), openai.NotFoundError)
    assert (error.type, error.code) == ("invalid_request_error", "conversation_not_found")
    assert error.body == refusal(lambda: client.conversations.retrieve(UNKNOWN), openai.NotFoundError).body


def test_an_unknown_item_is_not_found(client: OpenAI) -> None:
    made = client.conversations.create()
    for asked in (client.conversations.items.retrieve, client.conversations.items.delete):
        error = refusal(partial(asked, "msg_1", conversation_id=made.id), openai.NotFoundError)
        assert error.code == "message_not_found"


def test_metadata_has_its_limits(client: OpenAI) -> None:
    made = client.conversations.create(
        metadata={str(each): "x" * 512 for each in range(15)} | {"k" * 64: "x"}
    )
    wrong: list[tuple[Any, str]] = [
        ({str(each): "x" for each in range(17)}, "metadata"),
        ({"k" * 65: "x"}, "a key of metadata"),
        ({"topic": "x" * 513}, "metadata.topic"),
        ({"topic": 5}, "metadata"),
    ]
    for metadata, named in wrong:
        for asked in (
            partial(client.conversations.create, metadata=metadata),
            partial(client.conversations.update, made.id, metadata=metadata),
        ):
            error = refusal(asked, openai.BadRequestError)
            assert named in f"{error.param} {error.message}"


def test_an_item_that_cannot_be_kept_is_named_and_nothing_is_stored(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("one")])
    wrong: Any = [words("two"), {"role": "narrator", "content": "three"}]
    error = refusal(lambda: client.conversations.items.create(made.id, items=wrong), openai.BadRequestError)
    assert error.param == "items[1].role"
    assert len(client.conversations.items.list(made.id).data) == 1


def test_a_body_that_fits_no_operation_is_told_so(client: OpenAI) -> None:
    bodies: list[Any] = [{"itemz": []}, {"items": "one"}, []]
    for body in bodies:
        asked = partial(client.post, "/conversations", cast_to=object, body=body)
        refusal(asked, openai.BadRequestError)
    made = client.conversations.create()
    error = refusal(
        lambda: client.post(f"/conversations/{made.id}", cast_to=object, body={}), openai.BadRequestError
    )
    assert error.param == "metadata"


def test_more_than_a_batch_is_too_much(client: OpenAI) -> None:
    items = [words("one")] * 1_001
    error = refusal(lambda: client.conversations.create(items=items), openai.APIStatusError)
    assert (error.status_code, error.code) == (413, "too_many_messages")


def test_another_item_under_a_known_id_is_a_conflict(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("one") | {"id": "msg_1"}])
    error = refusal(
        lambda: client.conversations.items.create(made.id, items=[words("two") | {"id": "msg_1"}]),
        openai.ConflictError,
    )
    assert error.code == "message_exists"


def test_a_conflict_is_final(standing: Standing, ann: str) -> None:
    with standing.client(ann) as client:
        made = client.conversations.create(items=[words("one") | {"id": "msg_1"}])
        answer = client.conversations.items.with_raw_response
        with pytest.raises(openai.ConflictError) as refused:
            answer.create(made.id, items=[words("two") | {"id": "msg_1"}])
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"


def test_an_ended_conversation_takes_nothing_and_says_so(
    standing: Standing, client: OpenAI, ann: str
) -> None:
    made = client.conversations.create(items=[words("one")])
    elsewhere = f"{standing.url}/api/conversations/{made.id.removeprefix('conv_')}"
    headers = {"Authorization": f"Bearer {client.api_key}"}
    assert httpx.patch(elsewhere, json={"ended": True}, headers=headers).status_code == 200
    error = refusal(
        lambda: client.conversations.items.create(made.id, items=[words("two")]), openai.ConflictError
    )
    assert error.code == "session_ended"
    assert len(client.conversations.items.list(made.id).data) == 1


def test_who_proves_nothing_is_not_let_in(standing: Standing) -> None:
    for shown in ("none", "hsk_" + "A" * 43):
        with standing.client("nobody", api_key=shown) as client:
            for asked in (client.conversations.create, lambda: client.conversations.retrieve(UNKNOWN)):
                error = refusal(asked, openai.AuthenticationError)
                assert error.code == "not_authenticated"


def test_a_key_that_may_only_read_is_not_let_write(standing: Standing) -> None:
    reader = key(standing.dsn, "reader", scope="read")
    with standing.client("", api_key=reader, default_headers={"X-User-Id": "ann"}) as client:
        error = refusal(client.conversations.create, openai.PermissionDeniedError)
        assert error.code == "scope_missing"


def test_a_service_key_says_for_whom(standing: Standing, ann: str) -> None:
    backend = key(standing.dsn, f"backend-of-{ann}")
    with standing.client("", api_key=backend) as client:
        error = refusal(client.conversations.create, openai.BadRequestError)
        assert error.code == "user_not_named"
        assert "X-User-Id" in error.message
        for_ann = {"X-User-Id": ann}
        made = client.conversations.create(extra_headers=for_ann)
        assert client.conversations.retrieve(made.id, extra_headers=for_ann) == made
        for_bob = {"X-User-Id": f"not-{ann}"}
        refusal(lambda: client.conversations.retrieve(made.id, extra_headers=for_bob), openai.NotFoundError)
    with standing.client("", api_key=backend, default_headers=for_ann) as client:
        page = client.get("/conversations", cast_to=object)
        assert isinstance(page, dict)
        assert [each["id"] for each in page["data"]] == [made.id]


def test_a_token_names_nobody_else(standing: Standing, ann: str) -> None:
    with standing.client(ann) as client:
        error = refusal(
            lambda: client.conversations.create(extra_headers={"X-User-Id": "bob"}),
            openai.PermissionDeniedError,
        )
        assert error.code == "not_your_user"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "", 404), ("GET", "/models", 404), ("POST", "/responses", 404), ("PUT", "/conversations", 405)],
)
def test_what_is_not_served_is_told_in_the_same_shape(
    standing: Standing, method: str, path: str, status: int
) -> None:
    answer = httpx.request(method, f"{standing.url}/v1{path}", headers=bearer("none"))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] in ("no_such_path", "method_not_allowed")


async def test_the_client_of_a_page_of_another_site_may_say_what_it_says_of_itself() -> None:
    """OpenAI's client for JavaScript adds its own headers to every request, and looks for one in answers."""
    site = "https://chat.example"
    own = "x-stainless-lang, x-stainless-os, x-stainless-retry-count, x-stainless-timeout"
    asks = {
        "Origin": site,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": f"authorization, content-type, {own}",
    }
    async with telling(None, auth="token", jwt_secret=SECRET, cors_origins=site) as client:
        preflight = await client.options("/v1/conversations", headers=asks)
        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == site
        answer = await client.post("/v1/conversations", headers={"Origin": site})
        assert "X-Should-Retry" in answer.headers["Access-Control-Expose-Headers"]
