"""The words: each conversation's messages in order, and each user's messages in order across all of them."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    Payload,
)
from domain.recorded import Recorded
from projections.changes import Change, Delete, Insert, Update
from projections.tables import Json, Small, Table


class Row(Struct):
    shard: Small
    conversation_id: UUID
    message_id: str
    position: int
    """Of the event that added the message, as is the version: a revision moves neither."""
    version: int
    user_id: str | None
    role: str
    kind: str
    content: Json
    is_fortune: bool
    """What the caller said."""
    tagged_fortune: bool
    """What the tagger of that name says."""
    metadata: Json
    in_reply_to: str | None
    status: str
    payload: Json | None
    tags: Json
    recorded_at: datetime
    revised_at: datetime | None = None
    rating: str | None = None
    comment: Json | None = None


HISTORY: Final = Table(
    name="history",
    row=Row,
    # Revisions and ratings know the message's id only, so it has to be the key. Reading in order needs the
    # other two; a position is the same in both, so a cursor means the same with and without a conversation.
    key=("shard", "conversation_id", "message_id"),
    indexes=("(shard, conversation_id, position)", "(shard, user_id, position)"),
)

encode_json: Final = msgspec.json.Encoder().encode


class History:
    """Messages as they stand now.

    Anonymising takes away what the host application attached, beside the user's id: metadata, and the
    payload, in which nobody but its protocol could look for ids. The words stay.
    """

    name: ClassVar[str] = "history"
    with_append: ClassVar[bool] = True
    tables: tuple[Table, ...] = (HISTORY,)

    def __init__(self, taggers: Mapping[str, str] | None = None) -> None:
        """Taggers are regular expressions by name; a message gets the names of those that are found in it."""
        self.taggers = {name: re.compile(pattern) for name, pattern in sorted((taggers or {}).items())}
        self.version = "1" + digest(self.taggers)

    def changes(self, recorded: Recorded) -> Iterable[Change]:
        shard, conversation_id = recorded.shard, recorded.conversation_id
        match recorded.event:
            case MessageAdded() as added:
                yield Insert(HISTORY, self.row(recorded, added))
            case MessageRevised() as revised:
                key = (shard, conversation_id, revised.message_id)
                yield Update(HISTORY, key, put=self.revision(recorded, revised))
            case MessageRated(message_id=message_id, rating=rating, comment=comment):
                said = None if comment is None else as_json(comment)
                key = (shard, conversation_id, message_id)
                yield Update(HISTORY, key, put={"rating": rating, "comment": said})
            case MessageRemoved(message_id=message_id):
                yield Delete(HISTORY, (shard, conversation_id, message_id))
            case ConversationAnonymised():
                left = {"user_id": recorded.user_id, "metadata": "{}", "payload": None}
                yield Update(HISTORY, (shard, conversation_id), put=left)
            case ConversationErased():
                yield Delete(HISTORY, (shard, conversation_id))

    def row(self, recorded: Recorded, added: MessageAdded) -> Row:
        tags = self.tags(added.content)
        return Row(
            shard=recorded.shard,
            conversation_id=recorded.conversation_id,
            message_id=added.message_id,
            position=recorded.position,
            version=recorded.version,
            user_id=recorded.user_id,
            role=added.role,
            kind=added.kind,
            content=as_json(added.content),
            is_fortune=added.is_fortune,
            tagged_fortune="fortune" in tags,
            metadata=as_json(added.metadata) if added.metadata else "{}",
            in_reply_to=added.in_reply_to,
            status=added.status,
            payload=payload_json(added.payload),
            tags=as_json(tags) if tags else "[]",
            recorded_at=recorded.recorded_at,
        )

    def revision(self, recorded: Recorded, revised: MessageRevised) -> dict[str, Any]:
        tags = self.tags(revised.content)
        return {
            "content": as_json(revised.content),
            "kind": revised.kind,
            "metadata": as_json(revised.metadata),
            "status": revised.status,
            "payload": payload_json(revised.payload),
            "tags": as_json(tags),
            "tagged_fortune": "fortune" in tags,
            "revised_at": recorded.recorded_at,
        }

    def tags(self, content: str) -> list[str]:
        return [name for name, tagger in self.taggers.items() if tagger.search(content)]


def digest(taggers: Mapping[str, re.Pattern[str]]) -> str:
    if not taggers:
        return ""
    patterns = {name: tagger.pattern for name, tagger in taggers.items()}
    return "-" + sha256(encode_json(patterns)).hexdigest()[:12]


def as_json(value: Any) -> str:
    return encode_json(value).decode()


def payload_json(payload: Payload | None) -> str | None:
    return None if payload is None else as_json(payload)
