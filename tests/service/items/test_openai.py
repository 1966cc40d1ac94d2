"""OpenAI's items as messages and back: whatever was given comes back as it was."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from openai._models import construct_type
from openai.types.conversations import ConversationItem, Message
from pydantic import TypeAdapter

from domain.content import check_message
from domain.events import MessageAdded, Payload
from domain.message import SHOWN, WITH_ITEMS
from projections.history import HistoryMessage, as_json, payload_json
from service.items.openai import SCHEMA, as_added, item_id_of, item_of, item_of_added, message_ids_for
from service.items.sorts import REFERENCE, type_of
from service.store.codec import decode, encode
from service.store.ids import new_id
from tests.contracts.openai_items import every_shape, members

ITEMS = list(every_shape())
MADE = UUID("0199a000-0000-7000-8000-000000000002")


def row_of(added: MessageAdded) -> HistoryMessage:
    """As the log and the projection keep it."""
    kept = decode(*encode(added))
    assert isinstance(kept, MessageAdded)
    check_message(kept)
    payload = payload_json(kept.payload)
    return HistoryMessage(
        message_id=kept.message_id,
        conversation_id=MADE,
        position=1,
        version=1,
        user_id="ann",
        role=kept.role,
        kind=kept.kind,
        content=as_json(kept.content).encode(),
        is_fortune=False,
        metadata=b"{}",
        in_reply_to=None,
        status=kept.status,
        payload=None if payload is None else payload.encode(),
        tags=b"[]",
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        revised_at=None,
        rating=None,
        comment=None,
    )


def given_back(item: Any) -> dict[str, Any]:
    added = as_added(item, lambda: MADE)
    read = item_of(row_of(added))
    assert item_of_added(added) == read
    return read


def ordered(item: Any) -> str:
    """The order of its keys counts, too."""
    return msgspec.json.encode(item).decode()


def test_every_type_of_the_installed_package_is_among_the_shapes() -> None:
    types = {item.get("type") for item in ITEMS}
    known = {each.model_fields["type"].annotation for each in members(ConversationItem)}
    assert {literal.__args__[0] for literal in known} <= types
    assert len(ITEMS) >= 64


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.get("type")))
def test_an_item_comes_back_as_it_was_given(item: dict[str, Any]) -> None:
    read = given_back(item)
    if item.get("type", "message") == "message" and "role" in item:
        for name in item.keys() - {"content"}:
            assert read[name] == item[name]
        if isinstance(item["content"], list):
            assert ordered(read["content"]) == ordered(item["content"])
    elif item.get("id"):
        assert ordered(read) == ordered(item)
    else:
        assert ordered({name: read[name] for name in item if name != "id"}) == ordered(
            {name: value for name, value in item.items() if name != "id"}
        )


def test_every_item_is_of_a_kind_that_those_are_shown_who_ask_for_items() -> None:
    for item in ITEMS:
        added = as_added(item, new_id)
        assert added.kind in WITH_ITEMS
        assert (added.kind in SHOWN) == (added.kind in ("message", "generated_image"))
        assert added.payload == Payload(SCHEMA, item)


def test_every_item_has_an_id_that_leads_to_it() -> None:
    for item in ITEMS:
        row = row_of(as_added(item, new_id))
        assert row.message_id in message_ids_for(item_id_of(row))
        if type_of(item) != REFERENCE:
            assert item_of(row)["id"] == item_id_of(row)


def test_the_official_client_reads_every_message() -> None:
    for item in ITEMS:
        if item.get("type") == "message":
            message = construct_type(value=given_back(item), type_=ConversationItem)
            assert isinstance(message, Message)
            assert message.to_dict(warnings=False) == given_back(item)


EASY = {"role": "user", "content": "Hi"}


def test_a_message_in_short_is_read_in_full() -> None:
    assert given_back(EASY) == {
        "id": f"msg_{MADE.hex}",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    TypeAdapter(Message).validate_python(given_back(EASY))
    said = given_back({"role": "assistant", "content": "Ho", "phase": "commentary"})
    assert said["content"] == [{"type": "output_text", "text": "Ho", "annotations": []}]
    assert said["phase"] == "commentary"


@pytest.mark.parametrize("given", [None, "", "__fake_id__"])
def test_an_item_without_an_id_of_its_own_is_given_one_with_its_prefix(given: str | None) -> None:
    call = {"type": "function_call", "id": given, "call_id": "c", "name": "f", "arguments": "{}"}
    assert given_back(call) == call | {"id": f"fc_{MADE.hex}"}
    assert as_added(call, lambda: MADE).message_id == f"fc_{MADE.hex}"


def test_a_reference_does_not_take_the_id_of_what_it_refers_to() -> None:
    for reference in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}):
        row = row_of(as_added(reference, lambda: MADE))
        assert row.message_id == item_id_of(row) == f"ref_{MADE.hex}"
        assert item_of(row) == reference


def test_what_was_cut_off_is_interrupted() -> None:
    said = {"type": "message", "role": "assistant", "content": "Once upon", "status": "incomplete"}
    assert as_added(said, new_id).status == "interrupted"
    assert given_back(said)["status"] == "incomplete"
    plain = MessageAdded(message_id="m", role="assistant", content="Once upon", status="interrupted")
    assert item_of(row_of(plain))["status"] == "incomplete"


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("user", "message"),
        ("assistant", "message"),
        ("system", "instructions"),
        ("developer", "instructions"),
        ("tool", "tool_output"),
        ("critic", "instructions"),
        ("discriminator", "instructions"),
        ("unknown", "instructions"),
    ],
)
def test_a_message_of_every_role_has_its_kind(role: str, kind: str) -> None:
    added = as_added({"type": "message", "role": role, "content": "Hello"}, new_id)
    assert (added.role, added.kind) == (role, kind)


def test_a_plain_message_reads_as_a_message() -> None:
    asked = MessageAdded(message_id=str(MADE), role="user", content="How tall\0?")
    assert item_of(row_of(asked)) == {
        "id": f"msg_{MADE.hex}",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "How tall\0?"}],
    }
    assert message_ids_for(f"msg_{MADE.hex}") == [f"msg_{MADE.hex}", str(MADE)]
    answered = MessageAdded(message_id="own", role="assistant", content="330 m")
    assert item_of(row_of(answered))["content"] == [
        {"type": "output_text", "text": "330 m", "annotations": []}
    ]
    assert item_id_of(row_of(answered)) == "own"
    assert message_ids_for("own") == ["own"]


def test_an_item_of_another_protocol_reads_as_the_message_that_it_amounts_to() -> None:
    widget = MessageAdded(
        message_id="w", role="assistant", content="A card", kind="widget", payload=Payload("other", {"a": 1})
    )
    assert item_of(row_of(widget))["content"] == [
        {"type": "output_text", "text": "A card", "annotations": []}
    ]


@pytest.mark.parametrize("data", [{}, {"type": "message"}, {"content": "Hi", "type": "message"}, {"id": 5}])
def test_what_an_import_brought_is_read_as_it_is(data: dict[str, Any]) -> None:
    brought = MessageAdded(message_id="m", role="user", content="Hi", payload=Payload(SCHEMA, data))
    read = item_of(row_of(brought))
    assert {name: read[name] for name in data.keys() - {"content", "id"}} == {
        name: value for name, value in data.items() if name not in ("content", "id")
    }


def test_an_item_keeps_the_uuid_that_it_was_given_as_its_id() -> None:
    row = row_of(as_added(EASY | {"id": str(MADE)}, new_id))
    assert item_of(row)["id"] == item_id_of(row) == str(MADE)


def test_nul_characters_survive_in_every_text() -> None:
    output = {"type": "function_call_output", "id": "o", "call_id": "c\0", "output": "a\0b"}
    assert given_back(output) == output
    assert as_added(output, new_id).content == "a\0b"
