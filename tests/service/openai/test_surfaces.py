"""One record: what OpenAI's client gives is on every other surface, and the other way round."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.service.api.calling import as_user, bearer, key
from tests.service.openai.asking import Standing, texts, words
from tests.serving import hansard

CALL: Any = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "height_of",
    "arguments": '{"tower": "Eiffel"}',
}


@pytest.fixture
def elsewhere(standing: Standing, ann: str) -> Iterator[httpx.Client]:
    """Ann on the surfaces of Hansard's own."""
    with httpx.Client(base_url=standing.url, headers=as_user(ann)) as client:
        yield client


def got(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def uuid_of(conversation_id: str) -> str:
    text = conversation_id.removeprefix("conv_")
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def test_what_is_written_here_is_read_elsewhere(client: OpenAI, elsewhere: httpx.Client, ann: str) -> None:
    made = client.conversations.create(
        items=[words("How tall is the Eiffel Tower?"), CALL, words("330 metres.", "assistant")],
        metadata={"topic": "towers"},
    )
    path = f"/api/conversations/{uuid_of(made.id)}"
    conversation = got(elsewhere, path)
    assert conversation["title"] == "How tall is the Eiffel Tower?"
    assert conversation["metadata"] == {"topic": "towers"}
    said = [(each["role"], each["content"]) for each in got(elsewhere, path + "/messages")["messages"]]
    assert said == [("user", "How tall is the Eiffel Tower?"), ("assistant", "330 metres.")]
    (found,) = got(elsewhere, "/api/search", q="Eiffel")["results"][-1:]
    assert found["conversation_id"] == uuid_of(made.id)
    events = got(elsewhere, path + "/events")["events"]
    assert [each["topic"].partition(".")[0] for each in events][:2] == [
        "conversation_started",
        "message_added",
    ]
    assert len(events) == 4
    exported = elsewhere.get("/api/export").text
    assert '"openai.item.v1"' in exported
    assert '\\"tower\\": \\"Eiffel\\"' in exported


def test_what_is_erased_elsewhere_is_gone_here(client: OpenAI, elsewhere: httpx.Client) -> None:
    made = client.conversations.create(items=[words("rosebud")])
    assert elsewhere.delete(f"/api/conversations/{uuid_of(made.id)}").status_code == 200
    page = client.get("/conversations", cast_to=object)
    assert isinstance(page, dict)
    assert page["data"] == []


def test_what_is_deleted_here_is_erased_with_a_receipt(
    client: OpenAI, elsewhere: httpx.Client, standing: Standing
) -> None:
    made = client.conversations.create(items=[words("rosebud"), CALL])
    deleted: Any = client.conversations.delete(made.id)
    assert elsewhere.get(f"/api/conversations/{uuid_of(made.id)}").status_code == 404
    assert got(elsewhere, "/api/search", q="rosebud")["results"] == []
    assert "rosebud" not in elsewhere.get("/api/export").text
    headers = bearer(key(standing.dsn, f"auditor-of-{made.id}", scope="audit"))
    receipt = httpx.get(f"{standing.url}/api/audit/receipts/{deleted.receipt}", headers=headers).json()
    assert receipt["counts"]["messages"] == 2
    assert receipt["finished_at"]
    verified = hansard("verify", "--dsn", standing.dsn)
    assert verified.returncode == 0, verified.stdout


def test_what_is_said_elsewhere_reads_as_items_here(client: OpenAI, elsewhere: httpx.Client) -> None:
    body = {
        "metadata": {"nested": {"deep": [1, 2]}, "plain": "text", "number": 5},
        "messages": [
            {"role": "user", "content": "How tall is it?"},
            {"role": "assistant", "content": "330 met", "status": "interrupted", "id": "own-id"},
        ],
    }
    started = elsewhere.post("/api/conversations", json=body).json()
    conversation_id = "conv_" + started["id"].replace("-", "")
    found = client.conversations.retrieve(started["id"])
    assert found.id == conversation_id
    assert found.metadata == {"nested": '{"deep":[1,2]}', "plain": "text", "number": "5"}
    question, answer = client.conversations.items.list(conversation_id, order="asc")
    assert question.to_dict() == {
        "id": question.id,
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "How tall is it?"}],
    }
    assert (answer.id, answer.to_dict()["status"]) == ("own-id", "incomplete")
    assert answer.to_dict()["content"] == [{"type": "output_text", "text": "330 met", "annotations": []}]
    for item in (question, answer):
        assert item.id
        assert client.conversations.items.retrieve(item.id, conversation_id=conversation_id) == item
    assert question.id
    after = client.conversations.items.list(conversation_id, order="asc", after=question.id)
    assert [item.id for item in after] == ["own-id"]
    again = client.conversations.items.create(conversation_id, items=[question.to_dict()])  # type: ignore[list-item]
    assert again.first_id == question.id
    client.conversations.items.delete(question.id, conversation_id=conversation_id)
    assert len(got(elsewhere, f"/api/conversations/{started['id']}/messages")["messages"]) == 1


def test_metadata_that_comes_back_as_it_was_shown_stays_what_it_was(
    client: OpenAI, elsewhere: httpx.Client
) -> None:
    metadata = {"nested": {"deep": [1, 2]}, "number": 5, "gone": "soon"}
    started = elsewhere.post("/api/conversations", json={"metadata": metadata}).json()
    shown: Any = client.conversations.retrieve(started["id"]).metadata
    del shown["gone"]
    client.conversations.update(started["id"], metadata=shown | {"more": "text"})
    after = got(elsewhere, f"/api/conversations/{started['id']}")["metadata"]
    assert after == {"nested": {"deep": [1, 2]}, "number": 5, "more": "text"}


def test_metadata_beyond_openais_limits_can_be_carried_along(client: OpenAI, elsewhere: httpx.Client) -> None:
    metadata = {str(each): "x" for each in range(17)} | {"long": "x" * 600}
    started = elsewhere.post("/api/conversations", json={"metadata": metadata}).json()
    shown: Any = client.conversations.retrieve(started["id"]).metadata
    assert client.conversations.update(started["id"], metadata=shown).metadata == metadata
    with pytest.raises(openai.BadRequestError):
        client.conversations.update(started["id"], metadata=shown | {"one": "more"})
    fewer = {"long": shown["long"], "one": "more"}
    assert client.conversations.update(started["id"], metadata=fewer).metadata == fewer


def test_a_reply_of_the_service_is_an_item_here(client: OpenAI, elsewhere: httpx.Client) -> None:
    asked = elsewhere.post("/api/chat", json={"message": "Hello?"}).json()
    items = client.conversations.items.list(asked["session_id"], order="asc")
    assert texts(items) == ["Hello?", asked["reply"]["content"]]


def test_a_read_is_put_on_record_where_an_auditor_reads(standing: Standing, client: OpenAI, ann: str) -> None:
    made = client.conversations.create(items=[words("one")])
    auditor = key(standing.dsn, f"reads-of-{ann}", scope="audit")
    with standing.client("", api_key=auditor, default_headers={"X-User-Id": ann}) as reading:
        (item,) = reading.conversations.items.list(made.id)
        assert item.id
        reading.conversations.items.retrieve(item.id, conversation_id=made.id)
        reading.conversations.retrieve(made.id)
        reading.get("/conversations", cast_to=object)
    answer = httpx.get(
        f"{standing.url}/api/audit/reads", params={"user_id": ann}, headers=bearer(auditor)
    ).json()
    assert {read["operation"] for read in answer["reads"]} >= {
        "GET /v1/conversations",
        "GET /v1/conversations/{conversation_id}",
        "GET /v1/conversations/{conversation_id}/items",
        "GET /v1/conversations/{conversation_id}/items/{item_id}",
    }
