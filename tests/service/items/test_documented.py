"""What docs/items.md says is so."""

import json
import re
from pathlib import Path

import pytest

from domain.content import LIMITS
from domain.message import SHOWN, WITH_ITEMS
from service.items.sorts import SORTS, sort_of
from tests.service.api.calling import calling
from tests.service.api.recording import by, got, started

PAGE = (Path(__file__).parents[3] / "docs" / "items.md").read_text("utf-8")
BODIES = re.findall(r"-d '(.+?)'$", PAGE, re.DOTALL | re.MULTILINE)


async def test_what_is_sent_there_is_taken_and_read_back(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, by_user="user123")
        path = f"/api/conversations/{made['id']}/messages"
        (body,) = map(json.loads, BODIES)
        answer = await client.post(f"{path}/batch", json=body, headers=by("user123"))
        assert answer.status_code == 201, answer.text
        page = await got(client, path, by_user="user123", include="items")
        kinds = [message["kind"] for message in page["messages"]]
        assert kinds == ["message", "tool_call", "tool_output", "message"]
        assert page["messages"][1]["content"] == 'get_weather({"city":"Zürich"})'


@pytest.mark.parametrize("kind", sorted({sort.kind for sort in SORTS.values()} | {"message", "instructions"}))
def test_who_sees_an_item_is_said_for_each_kind(kind: str) -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("|") and f"| `{kind}` |" in row]
    assert rows
    assert all(("| everybody" in row) == (kind in SHOWN) for row in rows)
    assert kind in WITH_ITEMS


@pytest.mark.parametrize("type_", SORTS)
def test_the_kind_of_each_type_is_said(type_: str) -> None:
    kind = sort_of({"type": type_}).kind
    (row,) = (row for row in PAGE.splitlines() if f"| `{kind}` |" in row and is_of(type_, row))
    assert kind == "item" or f"`{sort_of({'type': type_}).role}`" in row


def is_of(type_: str, row: str) -> bool:
    names = re.findall(r"`([\w…]+)`", row.split("|")[1])
    return any(name == type_ or (name.startswith("…") and type_.endswith(name[1:])) for name in names) or (
        "any other" in row
    )


def test_the_limits_are_those_that_are_kept() -> None:
    assert f"up to {LIMITS.message_bytes:,} bytes of JSON, nested up to {LIMITS.payload_depth} levels" in PAGE
