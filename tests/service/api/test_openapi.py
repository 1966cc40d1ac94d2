"""The API document: every operation explained, with examples that are true."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from service.api import (
    admin,
    audit,
    chat,
    conversations,
    links,
    messages,
    privacy,
    replays,
    search,
    sessions,
)
from service.api.asking.room import STREAMED
from service.settings.settings import Settings
from service.worker.app import create_app
from tests.service.api.calling import calling
from tests.service.api.recording import assistant, by, started, user

DOCUMENT: dict[str, Any] = create_app(Settings()).openapi_schema.to_schema()
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = {
    f"{method.upper()} {path}": item[method]
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
}
OF_THE_API = {
    name: operation for name, operation in OPERATIONS.items() if " /api/" in name or " /v1/" in name
}
PROMISED = set(
    """
GET /api/chat/sessions
GET /api/chat/history
GET /api/chat/{session_id}/history
POST /api/chat/end-session
DELETE /api/chat/session/{session_id}
DELETE /api/session/{user_id}
POST /api/chat
POST /api/chat/start
POST /api/chat/{session_id}/message
POST /api/chat/{session_id}/stop
POST /api/conversations
GET /api/conversations
GET /api/conversations/{conversation_id}
PATCH /api/conversations/{conversation_id}
DELETE /api/conversations/{conversation_id}
GET /api/conversations/{conversation_id}/messages
POST /api/conversations/{conversation_id}/messages
POST /api/conversations/{conversation_id}/messages/batch
GET /api/links/{kind}/{target}/conversations
GET /api/opportunities/{opportunity_id}/conversations
DELETE /api/opportunities/{opportunity_id}
GET /api/search
GET /api/conversations/{conversation_id}/events
GET /api/audit/events
GET /api/audit/conversations/{conversation_id}/verify
GET /api/audit/reads
GET /api/admin/status
GET /api/admin/usage
GET /api/admin/activity
GET /api/admin/replays
GET /api/admin/replays/{replay_id}
GET /api/audit/receipts/{receipt_id}
POST /api/users/{user_id}/erase
POST /api/conversations/{conversation_id}/anonymise
""".strip().splitlines()
)
OF_ANOTHER_SHAPE = {
    "POST /api/chat/stream",
    "GET /api/chat/{session_id}/stream",
    "GET /api/admin/replays/{replay_id}/stream",
    "POST /api/admin/replays",
    "POST /support/chatkit",
    "POST /v1/conversations",
    "GET /v1/conversations",
    "GET /v1/conversations/{conversation_id}",
    "POST /v1/conversations/{conversation_id}",
    "DELETE /v1/conversations/{conversation_id}",
    "POST /v1/conversations/{conversation_id}/items",
    "GET /v1/conversations/{conversation_id}/items",
    "GET /v1/conversations/{conversation_id}/items/{item_id}",
    "DELETE /v1/conversations/{conversation_id}/items/{item_id}",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}
"""Promised as well: streams, texts, what its protocol makes of it, and what has no end yet."""
SHAPES = {
    name: shape
    for module in (chat, sessions, conversations, messages, links, search, audit, privacy, admin, replays)
    for name, shape in vars(module).items()
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct)
}
each_operation = pytest.mark.parametrize("name", OF_THE_API)
each_promised = pytest.mark.parametrize("name", sorted(PROMISED))


def contents(operation: dict[str, Any], wanted: str = "2") -> Iterator[dict[str, Any]]:
    for status, answer in operation["responses"].items():
        if status.startswith(wanted):
            yield from answer.get("content", {}).values()


def examples(content: dict[str, Any]) -> list[Any]:
    return [example["value"] for example in content.get("examples", {}).values()]


def test_every_operation_that_is_promised_is_in_the_document() -> None:
    assert OPERATIONS.keys() >= PROMISED | OF_ANOTHER_SHAPE


def test_each_stream_is_told_of_as_one() -> None:
    for name in OPERATIONS:
        if name.endswith("/stream"):
            assert list(OPERATIONS[name]["responses"]["200"]["content"]) == ["text/event-stream"]


def test_each_stream_is_counted_as_one() -> None:
    """What is told of as a stream, or as one that may come, has a place taken for it before it begins."""
    for route in create_app(Settings()).routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            if told := OPERATIONS.get(f"{method} {route.path_format}"):
                answer = str(told["responses"].get("200"))
                may_stream = any(kind in answer for kind in ("event-stream", "server-sent events", "jsonl"))
                assert may_stream == bool(handler.opt.get(STREAMED)), route.path_format
                refusals = str(told["responses"])
                assert may_stream == ("too-many-streams" in refusals), route.path_format


@each_operation
def test_an_operation_says_what_it_does(name: str) -> None:
    operation = OF_THE_API[name]
    assert operation["tags"]
    assert re.fullmatch(r"[A-Z].{5,80}[^.]", operation["summary"])
    assert operation["description"].endswith(".")


@each_operation
def test_an_operation_shows_what_it_takes_and_what_it_answers(name: str) -> None:
    operation = OF_THE_API[name]
    shown = [examples(content) for content in contents(operation)]
    assert shown
    assert all(shown)
    if body := operation.get("requestBody"):
        assert body["content"]["application/json"]["schema"]["examples"]


@each_operation
def test_each_parameter_but_an_id_is_explained(name: str) -> None:
    for parameter in OF_THE_API[name].get("parameters", []):
        assert parameter["in"] == "path" or parameter.get("description"), parameter["name"]


@each_operation
def test_what_can_be_refused_is_shown_as_problems(name: str) -> None:
    operation = OF_THE_API[name]
    assert {"400", "401", "503"} <= operation["responses"].keys()
    for status, answer in operation["responses"].items():
        if status >= "400" and " /v1/" in name:
            refusals = examples(answer["content"]["application/json"])
            assert refusals
            assert all(each["error"].keys() >= {"message", "type", "code"} for each in refusals)
        elif status >= "400":
            problems = examples(answer["content"]["application/problem+json"])
            assert problems
            assert all(problem["status"] == int(status) for problem in problems)


@each_promised
def test_an_example_of_an_answer_is_one_that_could_be_given(name: str) -> None:
    for content in contents(OF_THE_API[name]):
        shape = shape_of(content["schema"])
        for example in examples(content):
            assert msgspec.to_builtins(msgspec.convert(example, shape)) == example


@each_promised
def test_an_example_of_a_request_is_one_that_is_taken(name: str) -> None:
    body = OF_THE_API[name].get("requestBody", {"content": {}})
    for content in body["content"].values():
        shapes = content["schema"].get("allOf") or content["schema"]["oneOf"]  # the body may be left out
        (reference,) = [each for each in shapes if "$ref" in each]
        for example in content["schema"]["examples"]:
            msgspec.convert(example, shape_of(reference))


def shape_of(reference: dict[str, Any]) -> type:
    """Two shapes of one name are told apart by their modules' names, before an underscore."""
    found: type = SHAPES[reference["$ref"].rsplit("/", 1)[-1].rsplit("_", 1)[-1]]
    return found


async def test_real_answers_have_the_fields_of_the_examples(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("How tall is it?"), assistant("330 metres."), links=[])
        path = f"/api/conversations/{made['id']}"
        for name, at, body in (
            ("POST /api/conversations", "/api/conversations", {"title": "T"}),
            ("GET /api/conversations", "/api/conversations", None),
            ("GET /api/conversations/{conversation_id}", path, None),
            ("PATCH /api/conversations/{conversation_id}", path, {"title": "T"}),
            ("GET /api/conversations/{conversation_id}/messages", path + "/messages", None),
            (
                "POST /api/conversations/{conversation_id}/messages/batch",
                path + "/messages/batch",
                {"messages": []},
            ),
            ("GET /api/chat/sessions", "/api/chat/sessions", None),
            ("GET /api/chat/history", f"/api/chat/history?session_id={made['id']}", None),
            ("GET /api/chat/{session_id}/history", f"/api/chat/{made['id']}/history", None),
            ("GET /api/search", "/api/search?q=tall", None),
            ("POST /api/chat/end-session", "/api/chat/end-session", {"session_id": made["id"]}),
            ("DELETE /api/chat/session/{session_id}", f"/api/chat/session/{made['id']}", None),
            ("DELETE /api/session/{user_id}", "/api/session/ann", None),
            ("DELETE /api/opportunities/{opportunity_id}", "/api/opportunities/o", None),
        ):
            answer = await client.request(name.split()[0], at, json=body, headers=by("ann"))
            (example,) = next(examples(content) for content in contents(OF_THE_API[name]))
            assert str(answer.status_code) in OF_THE_API[name]["responses"], name
            assert fields(answer.json()) == fields(example) - OPTIONAL, name


OPTIONAL = {"messages[].in_reply_to"}


def fields(value: Any, at: str = "") -> set[str]:
    """The path to every field; of a list, those of its first element; not what is in metadata or links."""
    if isinstance(value, list):
        return fields(value[0], f"{at}[]") if value else set()
    if not isinstance(value, dict) or at.endswith(("metadata", "session_data", "links[]")):
        return set()
    found: set[str] = set()
    for key, inner in value.items():
        found |= {f"{at}.{key}".lstrip(".")} | fields(inner, f"{at}.{key}".lstrip("."))
    return found


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_no_path_of_the_document_ends_with_a_slash(path: str) -> None:
    assert not path.endswith("/")
