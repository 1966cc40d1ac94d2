"""ChatKit's items as messages, and messages as ChatKit's items.

An item is kept whole beside its text, so that it comes back as it was given, whatever is in it. What other
surfaces say has no such payload, and is shown as the plain item that it amounts to.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from warnings import catch_warnings

import msgspec
from chatkit.types import (
    AssistantMessageItem,
    CustomSummary,
    StructuredInputItem,
    Task,
    TaskItem,
    ThreadItem,
    ThreadItemBase,
    UserMessageItem,
    UserMessageTagContent,
    WidgetItem,
    WorkflowItem,
)
from chatkit.widgets import DynamicWidgetRoot, StrictWidgetRoot, WidgetRoot
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from domain import message as domain
from domain.content import same_json
from domain.events import MessageAdded, MessageRevised, Payload, Role, Status
from projections import history

SCHEMA: Final = "chatkit.item.v1"
SAID: Final = {"user_message", "assistant_message"}
"""The types that every surface knows as messages; any other is a kind of its own."""

ITEM: Final[TypeAdapter[ThreadItem]] = TypeAdapter(ThreadItem)
OLDER_WIDGET: Final[TypeAdapter[WidgetRoot]] = TypeAdapter(StrictWidgetRoot)
Data = dict[str, Any]


class LaterItem(ThreadItemBase):
    """An item of a type that a later release of ChatKit has, kept and given back as it is."""

    model_config = ConfigDict(extra="allow")

    type: str


def as_added(thread_id: str, item: ThreadItem) -> MessageAdded:
    data = dumped(item) | {"thread_id": thread_id}
    return MessageAdded(
        message_id=item.id,
        role=role_of(data),
        content=text_of(item),
        kind=kind_of(data),
        status=status_of(data),
        payload=Payload(SCHEMA, data),
    )


def as_revised(thread_id: str, item: ThreadItem, existing: domain.Message) -> MessageRevised:
    """What ChatKit knows nothing of stays with the message."""
    wish = as_added(thread_id, item)
    return MessageRevised(
        message_id=wish.message_id,
        content=wish.content,
        kind=wish.kind,
        metadata=existing.metadata,
        status=wish.status,
        payload=wish.payload,
    )


def dumped(model: BaseModel) -> Data:
    return model.model_dump(mode="json", by_alias=True)


def role_of(data: Data) -> Role:
    return "user" if data["type"] == "user_message" else "assistant"


def kind_of(data: Data) -> str:
    return "message" if data["type"] in SAID else str(data["type"])


def status_of(data: Data) -> Status:
    return "interrupted" if data.get("status") == "interrupted" else "complete"


def text_of(item: ThreadItem) -> str:
    """What a person reads of it; nothing of what she is not shown, so that nothing of it can be found."""
    match item:
        case UserMessageItem(content=content):
            return "".join(
                f"@{part.text}" if isinstance(part, UserMessageTagContent) else part.text for part in content
            )
        case AssistantMessageItem(content=parts):
            return "\n".join(part.text for part in parts)
        case WidgetItem(copy_text=copied):
            return copied or ""
        case StructuredInputItem(inputs=inputs):
            return lines(
                text
                for each in inputs
                for text in (each.question, ", ".join(each.answer.values) if each.answer else None)
            )
        case TaskItem(task=task):
            return lines(words_of(task))
        case WorkflowItem(workflow=workflow):
            title = workflow.summary.title if isinstance(workflow.summary, CustomSummary) else None
            return lines((title, *(text for task in workflow.tasks for text in words_of(task))))
        case _:
            return ""


def words_of(task: Task) -> tuple[str | None, str | None]:
    return task.title, getattr(task, "content", None)


def lines(texts: Any) -> str:
    return "\n".join(filter(None, texts))


def item_of(thread_id: str, row: history.HistoryMessage) -> ThreadItem:
    payload = msgspec.json.decode(row.payload, type=Payload) if row.payload else None
    text = history.decode_text(row.content)
    return shown(thread_id, row.message_id, row.role, row.kind, text, row.recorded_at, payload)


def says_the_same(item: ThreadItem, thread_id: str, existing: domain.Message) -> bool:
    """Whether the item is how ChatKit would be shown the message, which another surface has stored. When it
    was made, ChatKit and the log may not agree on."""
    if existing.payload is not None and existing.payload.schema == SCHEMA:
        return False
    plain = shown(
        thread_id, existing.id, existing.role, existing.kind, existing.content, datetime.now(UTC), None
    )
    one, other = dumped(item) | {"thread_id": thread_id}, dumped(plain)
    return same_json(one, other | {"created_at": one["created_at"]})


def shown(
    thread_id: str, message_id: str, role: str, kind: str, text: str, at: datetime, payload: Payload | None
) -> ThreadItem:
    if payload is not None and payload.schema == SCHEMA:
        return restored(payload.data | {"id": message_id, "thread_id": thread_id})
    said: Data = {"id": message_id, "thread_id": thread_id, "created_at": naive(at)}
    if kind not in domain.SHOWN:
        return ITEM.validate_python(said | {"type": "hidden_context_item", "content": text})
    if role == "user":
        part = {"type": "input_text", "text": text}
        return ITEM.validate_python(
            said | {"type": "user_message", "content": [part], "inference_options": {}}
        )
    return ITEM.validate_python(said | {"type": "assistant_message", "content": [{"text": text}]})


def naive(at: datetime) -> datetime:
    """ChatKit reckons in times that know no zone."""
    return at.astimezone(UTC).replace(tzinfo=None)


def restored(data: Data) -> ThreadItem:
    try:
        given = data if data["type"] != "widget" else data | {"widget": widget_of(data["widget"])}
        item = ITEM.validate_python(given)
    except ValidationError:
        return LaterItem.model_validate(data)  # type: ignore[return-value] # one more kind of item
    if data.keys() - type(item).model_fields:
        item = open_to_more(type(item)).model_validate(given)
    return item


def widget_of(data: Data) -> WidgetRoot:
    """One of ChatKit's older classes where that says the same, for they drop what they do not know; a
    template's keeps all of it. That the older ones are deprecated is for those to hear who call them."""
    try:
        with catch_warnings(action="ignore", category=DeprecationWarning):
            older = OLDER_WIDGET.validate_python(data)
    except ValidationError:
        pass
    else:
        if same_json(dumped(older), data):
            return older
    return DynamicWidgetRoot.model_validate(data)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


@cache
def open_to_more(shape: type[BaseModel]) -> Any:
    """The same type, which keeps the fields that a later release has."""
    return create_model(shape.__name__, __base__=(Open, shape))
