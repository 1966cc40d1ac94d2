"""Items of every kind and shape, given and read back through OpenAI's own client."""

from typing import Any

import msgspec
from openai import OpenAI

from service.items.sorts import REFERENCE, type_of
from tests.contracts.openai_items import every_shape

SHAPES = list(every_shape())
MADE_HERE = ("id", "status", "content", "type")
"""What a message is read with that was given in short."""


def given(item: Any) -> Any:
    return {name: value for name, value in item.items() if name != "id"}


def raw(client: OpenAI, path: str, **query: Any) -> Any:
    """As it is on the wire, past the client's own models."""
    return client.get(path, cast_to=object, options={"params": query})


def listed(client: OpenAI, conversation_id: str) -> list[Any]:
    path, found, query = f"/conversations/{conversation_id}/items", list[Any](), dict[str, Any]()
    while page := raw(client, path, order="asc", limit=100, **query):
        found += page["data"]
        query = {"after": page["last_id"]}
        if not page["has_more"]:
            break
    return found


def test_all_of_them_come_back_as_they_were_given(client: OpenAI) -> None:
    """In one request: OpenAI would take twenty of them."""
    assert len(SHAPES) >= 64
    made = client.conversations.create()
    client.post(f"/conversations/{made.id}/items", cast_to=object, body={"items": SHAPES})
    found = listed(client, made.id)
    assert len(found) == len(SHAPES)
    for item, read in zip(SHAPES, found, strict=True):
        assert says_the_same(item, read), (item, read)


def says_the_same(item: Any, read: Any) -> bool:
    short = type_of(item) == "message" and isinstance(item["content"], str)
    left_out = MADE_HERE if short else ("id", "status") if type_of(item) == "message" else ("id",)
    compared = [{name: item[name] for name in item if name not in left_out}]
    return same(compared, [{name: read[name] for name in item if name not in left_out}])


def same(one: Any, other: Any) -> bool:
    """The order of keys counts, too."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def test_each_of_them_is_retrieved_as_it_was_listed(client: OpenAI) -> None:
    made = client.conversations.create()
    client.post(f"/conversations/{made.id}/items", cast_to=object, body={"items": SHAPES})
    for item in listed(client, made.id):
        if type_of(item) != REFERENCE:
            assert same(item, raw(client, f"/conversations/{made.id}/items/{item['id']}"))


def test_those_with_an_id_of_their_own_are_not_added_twice(client: OpenAI) -> None:
    own = [item for item in SHAPES if item.get("id") and type_of(item) != REFERENCE]
    made = client.conversations.create()
    path = f"/conversations/{made.id}/items"
    first = client.post(path, cast_to=object, body={"items": own})
    assert client.post(path, cast_to=object, body={"items": own}) == first
    assert [item["id"] for item in listed(client, made.id)] == [item["id"] for item in own]


def test_the_client_makes_its_own_models_of_them_and_gives_them_back(client: OpenAI) -> None:
    made = client.conversations.create()
    client.post(f"/conversations/{made.id}/items", cast_to=object, body={"items": SHAPES})
    read = [item.to_dict(warnings=False) for item in client.conversations.items.list(made.id, order="asc")]
    copy = client.conversations.create()
    client.post(f"/conversations/{copy.id}/items", cast_to=object, body={"items": read})
    for before, after in zip(listed(client, made.id), listed(client, copy.id), strict=True):
        assert before == after
