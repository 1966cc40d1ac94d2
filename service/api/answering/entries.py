"""What the entries of lists look like to a client, and the pages that are made of them."""

from typing import Final

from projections.conversations import CONVERSATIONS, ConversationPages
from projections.history import HISTORY, MessagePages
from service.api.answering.as_json import Column, as_json, columns_of
from service.api.answering.wire import MessageBody, Session, SessionMessage, Summary

OF_MESSAGE: Final = columns_of(HISTORY, {"id": "message_id", "timestamp": "recorded_at"}) | {
    "is_fortune": Column("is_fortune OR tagged_fortune", "boolean")
}
del OF_MESSAGE["position"]
OF_CONVERSATION: Final = columns_of(
    CONVERSATIONS,
    {
        "id": "conversation_id",
        "created_at": "started_at",
        "updated_at": "last_activity_at",
        "session_data": "metadata",
    },
    alias="c.",
) | {
    "title": Column("COALESCE(c.title, c.opening)", "text", may_be_null=True),
    "ended": Column("c.ended_at IS NOT NULL", "boolean"),
    "is_active": Column("c.ended_at IS NULL", "boolean"),
}

MESSAGES: Final = MessagePages(as_json(MessageBody, OF_MESSAGE))
SESSION_MESSAGES: Final = MessagePages(
    as_json(SessionMessage, OF_MESSAGE | {"session_id": OF_MESSAGE["conversation_id"]})
)
SUMMARIES: Final = ConversationPages(as_json(Summary, OF_CONVERSATION))
SESSIONS: Final = ConversationPages(as_json(Session, OF_CONVERSATION))
