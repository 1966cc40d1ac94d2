"""What is known of the files that users attach: each user's own, whatever ids others use."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from chatkit.types import Attachment, AttachmentBase
from psycopg import AsyncConnection
from pydantic import ConfigDict, TypeAdapter, ValidationError

from domain.content import LIMITS, Limits, check_name, check_payload
from domain.events import Payload
from service.chatkit.items import dumped

SCHEMA: Final = "chatkit.attachment.v1"
ATTACHMENT: Final[TypeAdapter[Attachment]] = TypeAdapter(Attachment)

SAVE: Final = """
INSERT INTO attachments AS a (shard, user_id, id, conversation_id, payload, saved_at)
VALUES (%(shard)s, %(user_id)s, %(id)s, %(conversation_id)s, %(payload)s, %(saved_at)s)
ON CONFLICT (shard, user_id, id) DO UPDATE
SET conversation_id = excluded.conversation_id, payload = excluded.payload, saved_at = excluded.saved_at"""
LOAD: Final = """
SELECT payload FROM attachments WHERE shard = %(shard)s AND user_id = %(user_id)s AND id = %(id)s"""
DROP: Final = """
DELETE FROM attachments WHERE shard = %(shard)s AND user_id = %(user_id)s AND id = %(id)s"""


class LaterAttachment(AttachmentBase):
    """An attachment of a type that a later release of ChatKit has, kept and given back as it is."""

    model_config = ConfigDict(extra="allow")

    type: str


async def save(
    connection: AsyncConnection[Any],
    shard: int,
    user_id: str,
    attachment: Attachment,
    conversation_id: UUID | None,
    limits: Limits = LIMITS,
) -> None:
    """With its conversation, if that is there and the user's own, an attachment is erased too."""
    data = dumped(attachment)
    check_name("attachment_id", attachment.id, limits.message_id)
    check_payload(Payload(SCHEMA, data), limits)
    given = {
        "shard": shard,
        "user_id": user_id,
        "id": attachment.id,
        "conversation_id": conversation_id,
        "payload": msgspec.json.encode(data),
        "saved_at": datetime.now(UTC),
    }
    await connection.execute(SAVE, given)


async def load(
    connection: AsyncConnection[Any], shard: int, user_id: str, attachment_id: str
) -> Attachment | None:
    cursor = await connection.execute(LOAD, {"shard": shard, "user_id": user_id, "id": attachment_id})
    row = await cursor.fetchone()
    return restored(msgspec.json.decode(row[0])) if row else None


def restored(data: dict[str, Any]) -> Attachment:
    try:
        return ATTACHMENT.validate_python(data)
    except ValidationError:
        return LaterAttachment.model_validate(data)  # type: ignore[return-value] # one more kind of attachment


async def drop(connection: AsyncConnection[Any], shard: int, user_id: str, attachment_id: str) -> None:
    await connection.execute(DROP, {"shard": shard, "user_id": user_id, "id": attachment_id})
