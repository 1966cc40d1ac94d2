"""An item that cannot be kept is refused, and the refusal names the field."""

from typing import Any

import pytest

from domain.content import LIMITS
from domain.errors import ContentRefused, ContentTooLong, MetadataTooDeep, NameHasNul, NotOneOf
from service.items.errors import ItemUnfit
from service.items.openai import as_added
from service.store.ids import new_id

deep: Any = "x"
for _ in range(LIMITS.payload_depth):
    deep = [deep]


@pytest.mark.parametrize(
    ("item", "refusal", "field"),
    [
        ("Hello", ItemUnfit, "items[2]"),
        ({}, ItemUnfit, "items[2].type"),
        ({"type": 5}, ItemUnfit, "items[2].type"),
        ({"type": "", "id": "a"}, ItemUnfit, "items[2].type"),
        ({"type": "mood", "id": 5}, ItemUnfit, "items[2].id"),
        ({"type": "mood", "id": "a\0"}, NameHasNul, "items[2].id"),
        ({"role": "user"}, ItemUnfit, "items[2].content"),
        ({"role": "user", "content": {"a": 1}}, ItemUnfit, "items[2].content"),
        ({"type": "message", "content": "Hi"}, ItemUnfit, "items[2].role"),
        ({"role": "narrator", "content": "Hi"}, NotOneOf, "items[2].role"),
        ({"type": "mood", "x": {"y": "\ud800"}}, ContentRefused, "items[2].x.y"),
        ({"type": "mood", "x": {"y": 2**64}}, ContentRefused, "items[2].x.y"),
        ({"type": "mood", "x": deep}, MetadataTooDeep, "items[2]"),
        ({"type": "mood", "x": "y" * LIMITS.message_bytes}, ContentTooLong, "items[2]"),
        ({"type": "mood", "id": "y" * 256}, ContentRefused, "items[2].id"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(item: Any, refusal: type[ContentRefused], field: str) -> None:
    with pytest.raises(refusal) as refused:
        as_added(item, new_id, "items[2]")
    assert refused.value.facts["field"] == field


def test_a_refusal_says_what_was_expected() -> None:
    with pytest.raises(ItemUnfit) as refused:
        as_added({"role": "user", "content": 5}, new_id)
    assert (
        str(refused.value)
        == "The item cannot be kept: item.content is a number and must be text or a list of parts."
    )
