"""A row of somebody's own table as a message."""

import json
from datetime import tzinfo
from typing import Any, Final, TypeGuard

from msgspec import Struct

from domain.content import Limits, check_message
from domain.events import MessageAdded, Payload, Role
from service.transfer.chatgpt.messages import words_of
from service.transfer.incoming import Unfit
from service.transfer.times import time_of

# Who speaks, whatever it is called; and of which kind is what neither of the two said.
USER, ASSISTANT = "user", "assistant"
ROLES: Final = {
    **dict.fromkeys(("user", "human", "customer", "client", "me"), USER),
    **dict.fromkeys(("assistant", "ai", "bot", "agent", "model", "chatbot"), ASSISTANT),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function"), "tool"),
}
KINDS: Final = {USER: "message", ASSISTANT: "message", "system": "context", "tool": "tool_output"}


class SourceRow(Struct):
    """A message, or a conversation without any, as the query gives it; what is not there is None."""

    user_id: str | None
    conversation: str | None
    id: str | None
    own_user: str | None
    role: str | None
    content: Any
    time: Any
    is_fortune: Any
    metadata: Any
    payload: Any
    links: list[str | None]
    title: str | None
    began: Any
    about: Any
    thread: Any
    active: Any
    ended: Any
    their_links: list[str | None]
    first_user: str | None
    """Who said the first thing in a conversation of this id."""


def message_of(
    row: SourceRow, user_id: str, thread_id: str, roles: dict[str, str], zone: tzinfo, limits: Limits
) -> MessageAdded:
    """Raises a refusal that says why the row cannot be taken."""
    if row.own_user is not None and row.own_user != user_id:
        raise Unfit(what=f"it is of the user {row.own_user!r}, in a conversation of {user_id!r}")
    item = loaded(row.payload)
    if is_item(item):
        # Only here, for ChatKit's own classes take a second to load.
        from service.transfer.tables.chatkit import message_from

        event = message_from(item, str(row.id), thread_id, time_of(row.time, zone))
    else:
        event = plain(row, item, roles)
    check_message(event, limits)
    return event


def is_item(payload: Any) -> TypeGuard[dict[str, Any]]:
    """Of ChatKit's."""
    return isinstance(payload, dict) and isinstance(payload.get("type"), str)


def plain(row: SourceRow, item: Any, roles: dict[str, str]) -> MessageAdded:
    meant = role_of(row.role, roles)
    speaker: Role = "user" if meant == USER else "assistant"
    content = loaded(row.content) if isinstance(row.content, dict | list) else row.content
    if content is None:
        raise Unfit(what="it has no content")
    text = content if isinstance(content, str) else words_of(content)
    kept = {"content": None if isinstance(content, str) else content, "payload": item}
    original = {name: value for name, value in kept.items() if value is not None}
    return MessageAdded(
        message_id=str(row.id),
        role=speaker,
        content=text,
        kind=KINDS[meant],
        is_fortune=bool(row.is_fortune),
        metadata=metadata_of(row.metadata),
        payload=Payload("imported.row", original) if original else None,
    )


def role_of(role: str | None, roles: dict[str, str]) -> str:
    if role is None:
        raise Unfit(what="it has no role")
    given = roles.get(role)
    # An enumeration may stand there as MessageRole.USER.
    meant = ROLES.get(given or role.rpartition(".")[2].lower())
    if meant is None:
        raise Unfit(what=f"its role is {role!r}; a mapping can say what that is, under [roles]")
    return meant


def metadata_of(value: Any) -> dict[str, Any]:
    found = loaded(value)
    if found is None or found == "":
        return {}
    return found if isinstance(found, dict) else {"metadata": found}


def loaded(value: Any) -> Any:
    """JSON that is kept as text is JSON all the same."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
