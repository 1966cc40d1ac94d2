"""Pages: nothing is missed and nothing comes twice, at every size, in both orders, while things change."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.service.openai.asking import texts, words

WORDS = [f"message {each}" for each in range(41)]


def test_a_thousand_items_are_paged_through_without_a_thought(client: OpenAI) -> None:
    said = [f"message {each}" for each in range(1_000)]
    made = client.conversations.create(items=[words(text) for text in said])
    assert texts(client.conversations.items.list(made.id)) == said[::-1]
    assert texts(client.conversations.items.list(made.id, order="asc")) == said
    assert texts(client.conversations.items.list(made.id, order="asc", limit=100)) == said


async def test_the_asynchronous_client_pages_too(async_client: AsyncOpenAI) -> None:
    conversations = async_client.conversations
    made = await conversations.create(items=[words(text) for text in WORDS])
    assert texts([each async for each in conversations.items.list(made.id, order="asc")]) == WORDS


@pytest.mark.parametrize("limit", [1, 2, 19, 20, 21, 40, 41, 42, 100])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_has_more_is_true_while_there_is_more(client: OpenAI, order: str, limit: int) -> None:
    made = client.conversations.create(items=[words(text) for text in WORDS])
    found: list[str] = []
    query: dict[str, object] = {"order": order, "limit": limit}
    while True:
        page: Any = client.get(f"/conversations/{made.id}/items", cast_to=object, options={"params": query})
        found += [item["content"][0]["text"] for item in page["data"]]
        assert page["has_more"] == (len(found) < len(WORDS))
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]
    assert found == (WORDS if order == "asc" else WORDS[::-1])


def test_a_page_goes_on_after_an_item_that_was_deleted(client: OpenAI) -> None:
    made = client.conversations.create(items=[words(text) for text in WORDS])
    page = client.conversations.items.list(made.id, order="asc", limit=10)
    assert page.last_id
    client.conversations.items.delete(page.last_id, conversation_id=made.id)
    after = client.conversations.items.list(made.id, order="asc", after=page.last_id)
    assert texts(after) == WORDS[10:]
    before = client.conversations.items.list(made.id, after=page.last_id)
    assert texts(before) == WORDS[8::-1]


def test_what_comes_meanwhile_turns_no_page_over(client: OpenAI) -> None:
    made = client.conversations.create(items=[words(text) for text in WORDS])
    newest = client.conversations.items.list(made.id, limit=5)
    client.conversations.items.create(made.id, items=[words("later")])
    assert texts(newest) == WORDS[::-1]


def test_nothing_has_no_pages(client: OpenAI) -> None:
    made = client.conversations.create()
    page = client.get(f"/conversations/{made.id}/items", cast_to=object)
    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_holds_one_to_a_hundred(client: OpenAI, limit: int) -> None:
    made = client.conversations.create()
    with pytest.raises(openai.BadRequestError, match="limit") as refused:
        client.conversations.items.list(made.id, limit=limit)
    assert refused.value.param == "limit"


def test_after_is_an_item_of_this_conversation(client: OpenAI) -> None:
    made = client.conversations.create(items=[words("one")])
    other = client.conversations.create(items=[words("two")])
    (item,) = client.conversations.items.list(other.id)
    assert item.id
    for elsewhere in (item.id, "msg_" + "0" * 32, "x"):
        with pytest.raises(openai.BadRequestError) as refused:
            client.conversations.items.list(made.id, after=elsewhere)
        assert (refused.value.param, refused.value.code) == ("after", "not_in_list")
