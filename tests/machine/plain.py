"""What the projections' tables should hold, folded in the plainest way, with dictionaries."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from domain.events import (
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    Payload,
    SessionEnded,
    SessionReopened,
)
from domain.message import SHOWN
from domain.recorded import Recorded, Redacted
from domain.title import title_from

Key = tuple[Any, ...]
Row = dict[str, Any]
Tables = dict[str, dict[Key, Row]]
Parked = Mapping[tuple[int, UUID], int]
"""From which position on a projection has nothing of these conversations."""


def plain(projection: str, log: Iterable[Recorded], parked: Parked) -> Tables:
    """The rows of each of a projection's tables, by key. What is redacted was erased, and left nothing."""
    names, take = FOLDS[projection]
    tables: Tables = {name: {} for name in names}
    for recorded in log:
        where = (recorded.shard, recorded.conversation_id)
        if isinstance(recorded.event, ConversationErased):
            for rows in tables.values():
                for key in [key for key in rows if key[:2] == where]:
                    del rows[key]
        elif isinstance(recorded.event, Redacted):
            continue
        elif recorded.position < parked.get(where, recorded.position + 1):
            take(tables, recorded, where)
    return tables


def take_history(tables: Tables, recorded: Recorded, where: Key) -> None:
    rows = tables["history"]
    match recorded.event:
        case MessageAdded() as added:
            rows[(*where, added.message_id)] = {
                "shard": recorded.shard,
                "conversation_id": recorded.conversation_id,
                "message_id": added.message_id,
                "position": recorded.position,
                "version": recorded.version,
                "user_id": recorded.user_id,
                "role": added.role,
                "kind": added.kind,
                "content": added.content,
                "is_fortune": added.is_fortune,
                "tagged_fortune": False,
                "metadata": added.metadata,
                "in_reply_to": added.in_reply_to,
                "status": added.status,
                "payload": as_json(added.payload),
                "tags": [],
                "recorded_at": recorded.recorded_at,
                "revised_at": None,
                "rating": None,
                "comment": None,
            }
        case MessageRevised() as revised:
            row = rows[(*where, revised.message_id)]
            for column in ("content", "kind", "metadata", "status"):
                row[column] = getattr(revised, column)
            row["payload"] = as_json(revised.payload)
            row["revised_at"] = recorded.recorded_at
        case MessageRated(message_id=message_id, rating=rating, comment=comment):
            rows[(*where, message_id)] |= {"rating": rating, "comment": comment}
        case MessageRemoved(message_id=message_id):
            del rows[(*where, message_id)]


def take_conversations(tables: Tables, recorded: Recorded, where: Key) -> None:
    rows, links = tables["conversations"], tables["conversation_links"]
    if isinstance(recorded.event, ConversationStarted):
        rows[where] = started(recorded, recorded.event)
    row = rows[where]
    row["version"] = recorded.version
    if isinstance(recorded.event, ConversationStarted | MessageAdded | MessageRevised):
        row |= {"last_activity_at": recorded.recorded_at, "last_position": recorded.position}
    match recorded.event:
        case MessageAdded(role=role, kind=kind, content=content):
            row["message_count"] += 1
            if role == "user" and kind == "message" and row["opening"] is None:
                row["opening"] = title_from(content) or None
        case MessageRemoved():
            row["message_count"] -= 1
        case ConversationRenamed(title=title):
            row["title"] = title
        case MetadataChanged(metadata=metadata):
            row["metadata"] = metadata
        case SessionEnded(reason=ended_reason):
            row |= {"ended_at": recorded.recorded_at, "ended_reason": ended_reason}
        case SessionReopened():
            row |= {"ended_at": None, "ended_reason": None}
        case ConversationStarted(links=given):
            for link in given:
                links[(*where, link.kind, link.target)] = linked(where, link.kind, link.target)
        case ConversationLinked(link=link):
            links[(*where, link.kind, link.target)] = linked(where, link.kind, link.target)
        case ConversationUnlinked(link=link):
            del links[(*where, link.kind, link.target)]


def started(recorded: Recorded, event: ConversationStarted) -> Row:
    return {
        "shard": recorded.shard,
        "conversation_id": recorded.conversation_id,
        "user_id": recorded.user_id,
        "title": event.title,
        "opening": None,
        "started_at": recorded.recorded_at,
        "message_count": 0,
        "ended_at": None,
        "ended_reason": None,
        "anonymised": None,
        "name": event.name,
        "metadata": event.metadata,
    }


def linked(where: Key, kind: str, target: str) -> Row:
    return {"shard": where[0], "conversation_id": where[1], "kind": kind, "target": target}


def take_search(tables: Tables, recorded: Recorded, where: Key) -> None:
    rows = tables["search"]
    match recorded.event:
        case MessageAdded() as added:
            rows[(*where, added.message_id)] = {
                "shard": recorded.shard,
                "conversation_id": recorded.conversation_id,
                "message_id": added.message_id,
                "position": recorded.position,
                "user_id": recorded.user_id,
                "role": added.role,
                "recorded_at": recorded.recorded_at,
                "content": findable(added),
            }
        case MessageRevised(message_id=message_id) as revised:
            rows[(*where, message_id)]["content"] = findable(revised)
        case MessageRemoved(message_id=message_id):
            del rows[(*where, message_id)]


def findable(message: MessageAdded | MessageRevised) -> str:
    return message.content.replace("\0", " ") if message.kind in SHOWN else ""


def take_usage(tables: Tables, recorded: Recorded, where: Key) -> None:
    added = recorded.event
    if not isinstance(added, MessageAdded) or added.kind != "message":
        return
    day = recorded.recorded_at.date()
    empty = {"messages": 0, "questions": 0, "replies": 0, "characters": 0, "tokens": 0}
    known = {"shard": recorded.shard, "conversation_id": recorded.conversation_id, "day": day, **empty}
    row = tables["usage"].setdefault((*where, day), known)
    row["user_id"] = recorded.user_id
    row["messages"] += 1
    row["questions" if added.role == "user" else "replies"] += 1
    row["characters"] += len(added.content)
    row["tokens"] += added.tokens or 0


def as_json(payload: Payload | None) -> Row | None:
    return None if payload is None else {"schema": payload.schema, "data": payload.data}


FOLDS: Mapping[str, tuple[tuple[str, ...], Callable[[Tables, Recorded, Key], None]]] = {
    "history": (("history",), take_history),
    "conversations": (("conversations", "conversation_links"), take_conversations),
    "search": (("search",), take_search),
    "usage": (("usage",), take_usage),
}
