"""What is sent again is not stored again: under a key, and by the items' own ids."""

from uuid import uuid4

import openai
import pytest
from openai import OpenAI

from tests.service.openai.asking import texts, words


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def test_a_conversation_is_created_once_under_one_key(client: OpenAI) -> None:
    key = keyed()
    made = client.conversations.create(items=[words("one")], metadata={"a": "b"}, extra_headers=key)
    client.conversations.update(made.id, metadata={"a": "c"})
    assert client.conversations.create(items=[words("one")], metadata={"a": "b"}, extra_headers=key) == made
    with pytest.raises(openai.ConflictError) as refused:
        client.conversations.create(items=[words("two")], extra_headers=key)
    assert refused.value.code == "idempotency_key_reused"


def test_items_are_added_once_under_one_key(client: OpenAI) -> None:
    made, key = client.conversations.create(), keyed()
    items = [words("one"), words("two") | {"id": "msg_own"}, words("three")]
    first = client.conversations.items.create(made.id, items=items, extra_headers=key)
    assert client.conversations.items.create(made.id, items=items, extra_headers=key) == first
    assert texts(client.conversations.items.list(made.id, order="asc")) == ["one", "two", "three"]


def test_an_update_and_a_removal_are_answered_alike_under_one_key(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("one") | {"id": "msg_1"}])
    key = keyed()
    updated = client.conversations.update(made.id, metadata={"a": "b"}, extra_headers=key)
    client.conversations.update(made.id, metadata={"a": "c"})
    assert client.conversations.update(made.id, metadata={"a": "b"}, extra_headers=key) == updated
    key = keyed()
    client.conversations.items.delete("msg_1", conversation_id=made.id, extra_headers=key)
    client.conversations.items.delete("msg_1", conversation_id=made.id, extra_headers=key)


def test_a_conversation_is_deleted_once_under_one_key(client: OpenAI) -> None:
    made, key = client.conversations.create(items=[words("one")]), keyed()
    deleted = client.conversations.delete(made.id, extra_headers=key)
    assert client.conversations.delete(made.id, extra_headers=key) == deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.delete(made.id)


def test_an_item_that_is_there_is_not_added_again(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("one") | {"id": "msg_1"}])
    again = [words("one") | {"id": "msg_1"}, words("two") | {"id": "msg_2"}]
    added = client.conversations.items.create(made.id, items=again)
    assert (added.first_id, added.last_id) == ("msg_1", "msg_2")
    assert texts(client.conversations.items.list(made.id, order="asc")) == ["one", "two"]


def test_an_item_that_was_deleted_can_be_added_again_under_another_id(client: OpenAI) -> None:
    """As an agent does that takes back its last turn."""
    made = client.conversations.create(items=[words("one") | {"id": "msg_1"}])
    client.conversations.items.delete("msg_1", conversation_id=made.id)
    added = client.conversations.items.create(made.id, items=[words("one") | {"id": "msg_1"}])
    assert added.first_id != "msg_1"
    assert [item.id for item in client.conversations.items.list(made.id)] == [added.first_id]


def test_what_came_of_items_with_ids_of_their_own_is_answered_again_under_one_key(client: OpenAI) -> None:
    one, two, three = (words(text) | {"id": f"msg_{text}"} for text in ("one", "two", "three"))
    made = client.conversations.create(items=[one, two])
    client.conversations.items.delete("msg_two", conversation_id=made.id)
    key, items = keyed(), [one, words("new"), two, three]
    first = client.conversations.items.create(made.id, items=items, extra_headers=key)
    ids = [item.id for item in first.data]
    assert (ids[0], ids[3]) == ("msg_one", "msg_three")
    assert ids[2] not in (None, "msg_two")
    assert client.conversations.items.create(made.id, items=items, extra_headers=key) == first
    assert [item.id for item in client.conversations.items.list(made.id, order="asc")] == ids


def test_a_conversation_keeps_the_name_that_its_application_gave_it(client: OpenAI) -> None:
    name = f"thr-{uuid4().hex}"
    made = client.conversations.create(items=[words("one")], extra_body={"name": name})
    assert made.id == name
    assert client.conversations.retrieve(name) == made
    assert texts(client.conversations.items.list(name)) == ["one"]
    with pytest.raises(openai.ConflictError) as refused:
        client.conversations.create(extra_body={"name": name})
    assert refused.value.code == "name_taken"
    assert client.conversations.delete(name).id == name
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(name)
    assert client.conversations.create(extra_body={"name": name}).id == name


def test_a_name_that_no_path_holds_leaves_the_conversation_its_id(client: OpenAI) -> None:
    for name in ("a/b", "conv_" + uuid4().hex):
        made = client.conversations.create(extra_body={"name": name})
        assert made.id != name
        assert client.conversations.retrieve(made.id) == made
