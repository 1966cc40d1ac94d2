"""The objects of OpenAI's protocol, as they are sent."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from domain.conversation import Conversation
from projections.conversations import ListedConversation
from service.api.openai.ids import id_of
from service.api.openai.metadata import shown


class ConversationObject(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    """In whole seconds."""
    metadata: dict[str, str]


class DeletedConversation(Struct, frozen=True, kw_only=True):
    """The receipt is Hansard's: it shows what was erased."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: bool = True
    receipt: UUID


class AnyItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whatever its type says it has. As it was given, it may have no id and no type."""

    id: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET


class ObjectList(Struct, frozen=True, kw_only=True):
    """`last_id` leads to the next page: it is to be sent as `after`."""

    object: Literal["list"] = "list"
    data: Sequence[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool


L = TypeVar("L", bound=ObjectList)
T = TypeVar("T")


class ItemList(ObjectList, frozen=True, kw_only=True):
    data: list[AnyItem]


class ConversationPage(ObjectList, frozen=True, kw_only=True):
    data: list[ConversationObject]


def listed(
    shape: type[L], rows: Sequence[T], more: bool, entry: Callable[[T], Any], id_of: Callable[[T], str]
) -> L:
    return shape(
        data=[entry(row) for row in rows],
        first_id=id_of(rows[0]) if rows else None,
        last_id=id_of(rows[-1]) if rows else None,
        has_more=more,
    )


def conversation_of(row: ListedConversation) -> ConversationObject:
    metadata = msgspec.json.decode(row.metadata)
    return conversation(row.conversation_id, row.started_at, metadata, row.name)


def conversation_after(state: Conversation) -> ConversationObject:
    """Once it was changed."""
    if state.started_at is None:
        raise TypeError("a conversation that never began")
    return conversation(state.id, state.started_at, state.metadata, state.name)


def conversation(
    conversation_id: UUID, started_at: datetime, metadata: dict[str, Any], name: str | None
) -> ConversationObject:
    return ConversationObject(
        id=id_of(conversation_id, name), created_at=int(started_at.timestamp()), metadata=shown(metadata)
    )
