"""Two users who never meet, and a service that is started again."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
import pytest
from openai import OpenAI

from tests.service.api.calling import SECRET
from tests.service.openai.asking import Standing, texts, words
from tests.serving import serving


@pytest.fixture
def bob(standing: Standing, ann: str) -> Any:
    with standing.client(f"not-{ann}") as client:
        yield client


def refused(asked: Callable[[], Any]) -> object:
    with pytest.raises(openai.NotFoundError) as error:
        asked()
    return error.value.body


def test_what_is_anns_is_as_good_as_unknown_to_bob(client: OpenAI, bob: OpenAI) -> None:
    hers = client.conversations.create(items=[words("rosebud") | {"id": "msg_1"}], metadata={"a": "b"}).id
    unknown = f"conv_{uuid4().hex}"
    for asked in (
        lambda one: bob.conversations.retrieve(one),
        lambda one: bob.conversations.update(one, metadata={"a": "c"}),
        lambda one: bob.conversations.delete(one),
        lambda one: bob.conversations.items.list(one),
        lambda one: bob.conversations.items.list(one, after="msg_1"),
        lambda one: bob.conversations.items.create(one, items=[words("mine")]),
        lambda one: bob.conversations.items.create(one, items=[words("rosebud") | {"id": "msg_1"}]),
        lambda one: bob.conversations.items.retrieve("msg_1", conversation_id=one),
        lambda one: bob.conversations.items.delete("msg_1", conversation_id=one),
    ):
        assert refused(partial(asked, hers)) == refused(partial(asked, unknown))
    with pytest.raises(openai.BadRequestError):
        bob.get("/conversations", cast_to=object, options={"params": {"after": hers}})
    assert bob.get("/conversations", cast_to=dict[str, Any])["data"] == []
    assert client.conversations.retrieve(hers).metadata == {"a": "b"}
    assert texts(client.conversations.items.list(hers)) == ["rosebud"]


def test_two_users_may_give_the_same_name(client: OpenAI, bob: OpenAI) -> None:
    for each, text in ((client, "ann's"), (bob, "bob's")):
        each.conversations.create(items=[words(text)], extra_body={"name": "support"})
    assert texts(client.conversations.items.list("support")) == ["ann's"]
    bob.conversations.delete("support")
    assert texts(client.conversations.items.list("support")) == ["ann's"]


def test_one_key_means_nothing_to_another_user(client: OpenAI, bob: OpenAI) -> None:
    key = {"Idempotency-Key": "one"}
    hers = client.conversations.create(items=[words("hers")], extra_headers=key)
    his = bob.conversations.create(items=[words("his")], extra_headers=key)
    assert texts(bob.conversations.items.list(his.id)) == ["his"]
    assert hers.id != his.id


def test_a_service_that_is_started_again_has_everything(dsn: str, tmp_path: Path) -> None:
    name, key = "support", {"Idempotency-Key": "one"}
    for run in range(2):
        with (
            serving(
                *("--auth", "token", "--dsn", dsn),
                data=tmp_path / "data",
                output=tmp_path / f"output-{run}",
                HANSARD_JWT_SECRET=SECRET,
            ) as service,
            Standing(service.url, dsn).client("ann") as client,
        ):
            made = client.conversations.create(
                items=[words("one")], extra_body={"name": name}, extra_headers=key
            )
            client.conversations.items.create(made.id, items=[words(f"run {run}")])
            expected = ["one", "run 0", "run 1"][: run + 2]
            assert texts(client.conversations.items.list(name, order="asc")) == expected
