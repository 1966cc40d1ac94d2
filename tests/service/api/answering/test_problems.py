"""Every refusal is a problem of its own, told in one shape, and every one of them is in the README."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any
from uuid import uuid4

import psycopg
import psycopg_pool
import pytest
from litestar import get

import domain
import projections
import service
from domain.errors import ContentTooLong, EventUnreadable, Refusal, SessionHasEnded, VersionConflict
from projections.errors import ConversationIsParked, ProjectionBehind
from service.api.answering.problems import PROBLEMS, as_table, details_of
from service.store.errors import StoreIsBusy
from tests.service.api.calling import problem
from tests.service.api.routes import telling

README = Path(__file__).parents[4] / "README.md"
ON_THE_COMMAND_LINE = {
    "service.cli",
    "service.verify.seal",
    "service.bench",
    "service.access.keys",
    "service.privacy.journal",
    "service.store.topology.distribution",
    "service.store.owners",
    "service.store.topology.rebalance",
    "service.transfer",
}
"""Refusals of commands, which no request meets."""
AS_THEIR_PARENTS = "service.chatkit.missing"
"""Refusals that are errors of ChatKit's package, too."""
ALICE = {"X-User-Id": "alice"}


def refusals() -> list[type[Refusal]]:
    for package in (domain, projections, service):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if "chatkit" not in module.name:
                import_module(module.name)
    found, todo = [], [Refusal]
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            found.append(kind)
    ours = [
        kind
        for kind in found
        if kind.__module__.partition(".")[0] in ("domain", "projections", "service")
        and kind.__module__ != AS_THEIR_PARENTS
    ]
    return [kind for kind in ours if not any(map(kind.__module__.startswith, ON_THE_COMMAND_LINE))]


@pytest.mark.parametrize("kind", refusals(), ids=lambda kind: kind.__name__)
def test_every_refusal_has_an_entry_of_its_own(kind: type[Refusal]) -> None:
    assert kind in PROBLEMS


@pytest.mark.parametrize("row", as_table().splitlines())
def test_every_problem_is_in_the_readme(row: str) -> None:
    assert row in README.read_text("utf-8").splitlines(), (
        "put what service.api.answering.problems.as_table says there"
    )


@pytest.mark.parametrize("each", PROBLEMS.values(), ids=lambda each: each.slug)
def test_a_slug_is_words_and_its_title_is_the_same_words(each: Any) -> None:
    assert re.fullmatch("[a-z]+(-[a-z]+)*", each.slug)
    assert each.title.lower().replace(" ", "-") == each.slug
    assert (each.status, each.status // 100) in {(each.status, 4), (500, 5), (502, 5), (503, 5), (504, 5)}


FAILURES: dict[str, tuple[Exception, int, dict[str, Any]]] = {
    "session-ended": (SessionHasEnded(), 409, {}),
    "version-conflict": (VersionConflict(current_version=4, expected_version=3), 409, {"current_version": 4}),
    "content-too-long": (
        ContentTooLong(field="content", size=9, limit=8),
        413,
        {"field": "content", "limit": 8},
    ),
    "store-busy": (StoreIsBusy(waiting=7, retry_after=2), 503, {"retry_after": 2}),
    "projection-behind": (ProjectionBehind(projection="search", behind=3), 503, {"retry_after": 1}),
    "conversation-parked": (ConversationIsParked(projection="history", error="no"), 503, {}),
}


@pytest.mark.parametrize("type", FAILURES)
async def test_a_refusal_says_what_it_is_and_what_helps(type: str) -> None:
    raised, status, facts = FAILURES[type]

    @get("/fails")
    async def fails() -> None:
        raise raised

    async with telling(None, fails) as client:
        answer = await client.get("/fails")
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = {"type": type, "title": type.replace("-", " ").capitalize(), "status": status}
    assert answer.json() == told | {"detail": str(raised)} | facts
    assert answer.headers.get("Retry-After") == (
        str(facts["retry_after"]) if "retry_after" in facts else None
    )
    assert answer.status_code == status


@pytest.mark.parametrize(
    "raised",
    [
        psycopg_pool.PoolTimeout("couldn't get a connection after 5.00 sec"),
        psycopg_pool.PoolClosed("closed"),
        psycopg.OperationalError("connection to 10.0.0.7 refused"),
        psycopg.errors.AdminShutdown("terminating connection"),
    ],
)
async def test_a_database_that_is_away_is_503_and_not_described(raised: Exception) -> None:
    @get("/fails")
    async def fails() -> None:
        raise raised

    async with telling(None, fails) as client:
        answer = await client.get("/fails")
    assert problem(answer) == (503, "store-unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert str(raised) not in answer.text


@pytest.mark.parametrize(
    "raised", [ValueError("what somebody said"), psycopg.DataError("what somebody said"), KeyError("x")]
)
async def test_what_nobody_foresaw_is_500_and_says_nothing_of_itself(
    raised: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    @get("/fails")
    async def fails() -> None:
        raise raised

    async with telling(None, fails) as client:
        answer = await client.get("/fails")
    assert problem(answer) == (500, "unexpected")
    assert "what somebody said" not in answer.text
    assert answer.headers["X-Request-Id"]
    (logged,) = [each for each in caplog.records if each.name == "hansard.api"]
    assert (logged.levelname, logged.exc_info and logged.exc_info[1]) == ("ERROR", raised)


async def test_a_refusal_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    @get("/fails")
    async def fails() -> None:
        raise SessionHasEnded

    async with telling(None, fails) as client:
        await client.get("/fails")
    assert not [each for each in caplog.records if each.name == "hansard.api"]


async def test_without_its_database_a_call_is_told_to_come_again() -> None:
    async with telling(None) as client:
        answer = await client.get("/conversation/0199a000-0000-7000-8000-000000000001")
    assert problem(answer) == (503, "store-unavailable")
    assert answer.headers["Retry-After"] == "1"


async def test_a_path_that_there_is_not_is_a_problem_too() -> None:
    async with telling(None) as client:
        assert problem(await client.get("/nowhere")) == (404, "no-such-path")


async def test_a_method_that_a_path_does_not_take_is_told_those_that_it_does() -> None:
    async with telling(None) as client:
        answer = await client.delete("/write")
    assert problem(answer) == (405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


async def test_whoever_asks_for_the_methods_of_a_path_is_told_all_of_them() -> None:
    async with telling(None) as client:
        answer = await client.options(f"/api/conversations/{uuid4()}")
    assert set(answer.headers["Allow"].split(", ")) == {"DELETE", "GET", "OPTIONS", "PATCH"}


BODIES: dict[str, tuple[bytes, str, str | None, str]] = {
    "no JSON": (b"{", "bad-json", "body", "not JSON"),
    "half a pair": (b'{"words": "\\ud800"}', "bad-json", "body", "surrogate"),
    "bytes that are no text": (b'{"words": "\xff"}', "bad-json", "body", "not in UTF-8"),
    "nothing": (b"", "bad-request", "body", "missing"),
    "an array": (b"[]", "bad-request", "body", "Expected `object`"),
    "an unknown field": (b'{"words": "Hi", "word": 1}', "bad-request", "word", "not a field"),
    "a missing field": (b"{}", "bad-request", "words", "missing"),
    "a wrong type": (b'{"words": 1}', "bad-request", "words", "Expected `str`, got `int`"),
    "null": (b"null", "bad-request", "body", "Expected `object`"),
    "a deep nest": (b"[" * 100_000, "bad-json", "body", "too deeply"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_told_which_field_is_wrong_and_how(name: str) -> None:
    content, type, field, says = BODIES[name]
    async with telling(None) as client:
        answer = await client.post("/write", content=content, headers=ALICE)
    assert problem(answer) == (400, type)
    assert answer.json().get("field") == field
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/conversation/0199a000-0000-7000-8000-000000000001?limit=many", "limit"),
    ],
)
async def test_a_bad_parameter_is_told_which_it_is(dsn: str, path: str, field: str) -> None:
    async with telling(dsn) as client:
        answer = await client.get(path, headers=ALICE)
    assert problem(answer) == (400, "bad-request")
    assert answer.json()["field"] == field


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_of_another_kind_is_told_to_be_json(given: str) -> None:
    async with telling(None) as client:
        headers = ALICE | {"Content-Type": given}
        answer = await client.post("/write", content=b'{"words": "Hi"}', headers=headers)
        assert problem(answer) == (415, "body-not-json")
        headers = ALICE | {"Content-Type": "application/json; charset=utf-8"}
        assert (await client.post("/write", content=b'{"words": "Hi"}', headers=headers)).status_code == 200


def test_a_problem_can_be_told_in_another_protocols_shape() -> None:
    told = details_of(EventUnreadable(topic="message_added", why="it is cut off"))
    assert (told.status_code, told.type_) == (500, "history-broken")
