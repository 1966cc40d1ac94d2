"""What an address holds is text in UTF-8, in every parameter of every operation, and names one user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import folder
from tests.service.api.calling import events, field, problem
from tests.service.api.operations import MADE_UP, OPERATIONS, Operation
from tests.service.api.recording import user
from tests.serving import Service, serving

LATIN_1 = ("M%FCller", "M%F6ller")
"""Müller and Möller, as somebody sends them who does not know UTF-8."""
ILL_FORMED = ("M%FCller", "%C3%28", "%ED%A0%80")
A_UUID = "0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f"
IN_ADDRESSES = [
    (operation, name, place)
    for operation in OPERATIONS
    for name, place in operation.parameters
    if place in ("path", "query")
]

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with folder() as place, serving(data=place / "data", output=place / "output") as up:
        yield up


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers={"X-User-Id": "ann"}) as one:
        yield one


@contextmanager
def serving_on(dsn: str, place: Path) -> Iterator[Service]:
    with serving("--dsn", dsn, data=place / "data", output=place / "output") as up:
        yield up


def address(operation: Operation, ill_formed: str, place: str, written: str) -> str:
    """The operation's, with this in one of its parameters; percent-encoded already."""
    path = operation.path
    for name, where in operation.parameters:
        if where == "path":
            value = written if (name, where) == (ill_formed, place) else MADE_UP.get(name, A_UUID)
            path = path.replace(f"{{{name}}}", str(value))
    return f"{path}?{ill_formed}={written}" if place == "query" else path


@pytest.mark.parametrize(
    ("operation", "name", "place"), IN_ADDRESSES, ids=lambda value: str(value).replace("/", "|")
)
def test_what_is_not_utf_8_is_refused_in_every_parameter(
    client: httpx.Client, operation: Operation, name: str, place: str
) -> None:
    for written in ILL_FORMED:
        path = address(operation, name, place, written)
        answer = client.request(operation.method, path, json=operation.example)
        assert problem(answer) == (400, "not-text"), path
        assert field(answer) == name


def test_users_whose_names_are_no_text_are_nobody(dsn: str, tmp_path: Path) -> None:
    """Two of them would be one user, who reads and erases what the other one said."""
    with serving_on(dsn, tmp_path) as service:
        for name in LATIN_1:
            url = f"{service.url}/api/conversations?user_id={name}"
            assert problem(httpx.post(url, json={"messages": [user("Hello?")]})) == (400, "not-text")
            assert problem(httpx.get(url)) == (400, "not-text")
            assert problem(httpx.post(f"{service.url}/api/users/{name}/erase")) == (400, "not-text")
            assert problem(httpx.delete(f"{service.url}/api/session/{name}")) == (400, "not-text")
    assert events(dsn) == 0


def test_text_is_the_same_however_it_is_escaped(dsn: str, tmp_path: Path) -> None:
    with serving_on(dsn, tmp_path) as service:
        url = f"{service.url}/api/conversations"
        made = httpx.post(url + "?user_id=M%C3%BCller", json={"title": "Mine"})
        assert made.status_code == 201
        for written in ("M%c3%bcller", "%4D%C3%BCller"):
            (found,) = httpx.get(f"{url}?user_id={written}").json()["conversations"]
            assert found["title"] == "Mine"
        erased = httpx.delete(f"{service.url}/api/session/M%C3%BCller")
        assert erased.json()["erased"]["messages"] == 0


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.takes("X-User-Id")], ids=str)
def test_a_request_that_names_two_users_is_refused(client: httpx.Client, operation: Operation) -> None:
    path = address(operation, "", "", "")
    headers = [("X-User-Id", "ann"), ("X-User-Id", "bob")]
    for given in ({"headers": headers}, {"params": {"user_id": ["ann", "bob"]}}):
        answer = client.request(operation.method, path, json=operation.example, **given)
        assert problem(answer) == (400, "users-differ"), given


def test_one_user_may_be_named_twice(client: httpx.Client) -> None:
    headers = [("X-User-Id", "ann"), ("X-User-Id", "ann")]
    answer = client.get("/api/conversations?user_id=ann&user_id=ann", headers=headers)
    assert answer.status_code == 200


def test_an_escaped_slash_does_not_end_a_users_name(client: httpx.Client) -> None:
    for path in ("/api/session/ann%2F", "/api/session/%2fann", "/api/users/ann%2f/erase"):
        answer = client.request("POST" if path.endswith("erase") else "DELETE", path)
        assert problem(answer) == (400, "slash-in-path")
        assert answer.json()["field"] == "user_id"
