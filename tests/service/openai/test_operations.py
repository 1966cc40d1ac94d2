"""Every operation, as OpenAI's own clients ask for it and read the answer."""

import re
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.pagination import SyncConversationCursorPage
from openai.types.conversations import Conversation

from tests.service.openai.asking import Standing, id_of, texts, words

CONVERSATION_ID = re.compile(r"conv_[0-9a-f]{32}")
MESSAGE_ID = re.compile(r"msg_[0-9a-f]{32}")
CALL: Any = {"type": "function_call", "call_id": "call_1", "name": "height_of", "arguments": "{}"}


def test_a_conversation_is_created_and_retrieved(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("How tall is it?")], metadata={"topic": "towers"})
    assert CONVERSATION_ID.fullmatch(made.id)
    assert made.object == "conversation"
    assert abs(made.created_at - time.time()) < 60
    assert made.metadata == {"topic": "towers"}
    assert client.conversations.retrieve(made.id) == made


def test_it_may_begin_with_nothing(client: OpenAI) -> None:
    assert client.conversations.create().metadata == {}
    made = client.conversations.create(items=None, metadata=None)
    assert client.conversations.items.list(made.id).data == []
    assert client.conversations.create(items=[]).metadata == {}


def test_an_update_replaces_the_metadata(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"topic": "towers", "channel": "web"})
    updated = client.conversations.update(made.id, metadata={"topic": "bridges"})
    assert updated == made.model_copy(update={"metadata": {"topic": "bridges"}})
    assert client.conversations.retrieve(made.id) == updated
    assert client.conversations.update(made.id, metadata={"topic": "bridges"}) == updated
    assert client.conversations.update(made.id, metadata=None).metadata == {}


def test_a_deleted_conversation_is_gone_with_its_items(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("How tall is it?")])
    (item,) = client.conversations.items.list(made.id)
    deleted = client.conversations.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "conversation.deleted")
    for gone in (
        lambda: client.conversations.retrieve(made.id),
        lambda: client.conversations.items.list(made.id),
        lambda: client.conversations.items.retrieve(id_of(item), conversation_id=made.id),
        lambda: client.conversations.items.create(made.id, items=[words("And now?")]),
        lambda: client.conversations.delete(made.id),
    ):
        with pytest.raises(openai.NotFoundError):
            gone()


def test_items_are_added_listed_retrieved_and_deleted(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("How tall is it?")])
    added = client.conversations.items.create(
        made.id, items=[CALL, words("330 metres.", "assistant")], include=["reasoning.encrypted_content"]
    )
    call, answer = added.data
    assert (added.object, added.has_more) == ("list", False)
    assert (added.first_id, added.last_id) == (call.id, answer.id)
    assert (call.type, answer.type) == ("function_call", "message")
    page = client.conversations.items.list(made.id, include=["message.input_image.image_url"])
    assert [item.id for item in page.data[:2]] == [answer.id, call.id]
    assert page.has_more is False
    assert client.conversations.items.retrieve(id_of(call), conversation_id=made.id) == call
    left = client.conversations.items.delete(id_of(call), conversation_id=made.id)
    assert left == made
    assert texts(client.conversations.items.list(made.id, order="asc")) == ["How tall is it?", "330 metres."]
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(id_of(call), conversation_id=made.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.delete(id_of(call), conversation_id=made.id)


def test_a_message_that_is_given_in_short_is_read_in_full(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("How tall is it?")])
    (message,) = client.conversations.items.list(made.id)
    assert MESSAGE_ID.fullmatch(id_of(message))
    assert message.to_dict() == {
        "id": message.id,
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "How tall is it?"}],
    }


async def test_the_asynchronous_client_does_the_same(async_client: AsyncOpenAI) -> None:
    conversations = async_client.conversations
    made = await conversations.create(items=[words("one")], metadata={"topic": "numbers"})
    assert await conversations.retrieve(made.id) == made
    assert (await conversations.update(made.id, metadata={})).metadata == {}
    added = await conversations.items.create(made.id, items=[words("two"), words("three")])
    assert await conversations.items.retrieve(added.last_id, conversation_id=made.id) == added.data[1]
    await conversations.items.delete(added.first_id, conversation_id=made.id)
    assert texts([item async for item in conversations.items.list(made.id)]) == ["three", "one"]
    assert (await conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await conversations.retrieve(made.id)


def test_conversations_are_listed_as_on_azure(client: OpenAI) -> None:
    made = [client.conversations.create(metadata={"number": str(each)}).id for each in range(5)]
    listed = list_of(client)
    assert [each.id for each in listed.data] == made[::-1]
    assert (listed.has_more, listed.last_id) == (False, made[0])
    first = list_of(client, limit=2)
    assert ([each.id for each in first], first.has_more) == (made[::-1], True)
    ascending = list_of(client, order="asc", after=made[1], limit=2)
    assert ([each.id for each in ascending.data], ascending.has_more) == (made[2:4], True)
    before = list_of(client, before=made[1], limit=2)
    assert ([each.id for each in before.data], before.has_more) == ([made[3], made[2]], True)
    assert [each.id for each in list_of(client, order="asc", before=made[2]).data] == made[:2]
    client.conversations.delete(made[2])
    assert [each.id for each in list_of(client, after=made[2]).data] == [made[1], made[0]]


def list_of(client: OpenAI, **query: Any) -> SyncConversationCursorPage[Conversation]:
    page = SyncConversationCursorPage[Conversation]
    return client.get_api_list("/conversations", model=Conversation, page=page, options={"params": query})


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_answered_fits_the_clients_own_types(standing: Standing, ann: str, strict: bool) -> None:
    with standing.client(ann, _strict_response_validation=strict) as client:
        made = client.conversations.create(items=[words("How tall is it?")], metadata={"a": "b"})
        client.conversations.update(made.id, metadata={})
        added = client.conversations.items.create(made.id, items=[CALL | {"status": "completed"}])
        client.conversations.items.retrieve(added.first_id, conversation_id=made.id)
        assert len(client.conversations.items.list(made.id).data) == 2
        client.conversations.items.delete(added.first_id, conversation_id=made.id)
        client.conversations.delete(made.id)
