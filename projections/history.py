"""The words: each conversation's messages in order, and each user's messages in order across all of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
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
from domain.message import SHOWN, WITH_ITEMS
from domain.recorded import Recorded
from projections.reading.pages import JsonPage, json_page
from projections.reading.view import Query, View
from projections.rows.changes import Change, Delete, Insert, Update
from projections.rows.tables import Json, Small, Table
from projections.taggers import Taggers


class Row(Struct, gc=False):
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
        self.taggers = Taggers(taggers or {})
        self.is_tagged = bool(self.taggers)
        self.version = f"1-{self.taggers.digest}" if self.taggers else "1"

    def changes(self, recorded: Recorded) -> tuple[Change, ...]:
        shard, conversation_id = recorded.shard, recorded.conversation_id
        match recorded.event:
            case MessageAdded() as added:
                return (Insert(HISTORY, self.row(recorded, added)),)
            case MessageRevised() as revised:
                key = (shard, conversation_id, revised.message_id)
                return (Update(HISTORY, key, put=self.revision(recorded, revised)),)
            case MessageRated(message_id=message_id, rating=rating, comment=comment):
                said = None if comment is None else as_json(comment)
                key = (shard, conversation_id, message_id)
                return (Update(HISTORY, key, put={"rating": rating, "comment": said}),)
            case MessageRemoved(message_id=message_id):
                return (Delete(HISTORY, (shard, conversation_id, message_id)),)
            case ConversationAnonymised():
                left = {"user_id": recorded.user_id, "metadata": "{}", "payload": None}
                return (Update(HISTORY, (shard, conversation_id), put=left),)
            case ConversationErased():
                return (Delete(HISTORY, (shard, conversation_id)),)
        return ()

    def row(self, recorded: Recorded, added: MessageAdded) -> Row:
        """By place and not by name, which takes half the time; this is where a replay spends most of it."""
        content, metadata, payload = added.content, added.metadata, added.payload
        tags = self.tags(recorded, content) if self.is_tagged else ()
        return Row(
            recorded.shard,
            recorded.conversation_id,
            added.message_id,
            recorded.position,
            recorded.version,
            recorded.user_id,
            added.role,
            added.kind,
            as_json(content),
            added.is_fortune,
            "fortune" in tags,
            as_json(metadata) if metadata else "{}",
            added.in_reply_to,
            added.status,
            None if payload is None else as_json(payload),
            as_json(tags) if tags else "[]",
            recorded.recorded_at,
        )

    def revision(self, recorded: Recorded, revised: MessageRevised) -> dict[str, Any]:
        tags = self.tags(recorded, revised.content)
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

    def tags(self, recorded: Recorded, content: str) -> Sequence[str]:
        """An append brings those that were looked for before it took the lane's lock."""
        if not self.is_tagged:
            return ()
        return self.taggers.find(content) if recorded.tags is None else recorded.tags


def as_json(value: Any) -> str:
    return encode_json(value).decode()


def payload_json(payload: Payload | None) -> str | None:
    return None if payload is None else as_json(payload)


class HistoryMessage(Struct, frozen=True):
    """A message as it is read; what is JSON is the bytes of it."""

    message_id: str
    conversation_id: UUID
    position: int
    version: int
    user_id: str | None
    role: str
    kind: str
    content: bytes
    is_fortune: bool
    metadata: bytes
    in_reply_to: str | None
    status: str
    payload: bytes | None
    tags: bytes
    recorded_at: datetime
    revised_at: datetime | None
    rating: str | None
    comment: bytes | None


class Said(Struct, frozen=True):
    """What a responder is told of a message."""

    role: str
    content: str


class SaidLine(Struct, frozen=True):
    position: int
    role: str
    content: bytes


SOURCE: Final = """
FROM {history}"""
MESSAGES: Final = (
    """
SELECT message_id, conversation_id, position, version, user_id, role, kind, content,
    is_fortune OR tagged_fortune AS is_fortune, metadata, in_reply_to, status, payload, tags,
    recorded_at, revised_at, rating, comment"""
    + SOURCE
)
LINES: Final = """
SELECT position, role, content FROM {history}"""
OF_CONVERSATION: Final = """
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s"""
OF_USER: Final = """
WHERE shard = %(shard)s AND user_id = %(user_id)s"""
FOR_CLIENTS: Final = f"""
    AND kind IN {SHOWN}"""
FOR_AGENTS: Final = f"""
    AND kind IN {WITH_ITEMS}"""
OWN: Final = """
    AND user_id = %(user_id)s"""
OLDER: Final = """
    AND position < %(before)s ORDER BY position DESC LIMIT %(limit)s"""
NEWER: Final = """
    AND position > %(after)s ORDER BY position LIMIT %(limit)s"""
BELOW: Final = """
    AND position < page.lowest"""

CONVERSATION_OLDER: Final = Query(
    HistoryMessage, MESSAGES + OF_CONVERSATION + FOR_CLIENTS + OLDER, "position DESC", short=True
)
CONVERSATION_NEWER: Final = Query(
    HistoryMessage, MESSAGES + OF_CONVERSATION + FOR_CLIENTS + NEWER, "position", short=True
)
ITEMS_OLDER: Final = Query(
    HistoryMessage, MESSAGES + OF_CONVERSATION + FOR_AGENTS + OLDER, "position DESC", short=True
)
ITEMS_NEWER: Final = Query(
    HistoryMessage, MESSAGES + OF_CONVERSATION + FOR_AGENTS + NEWER, "position", short=True
)
USER_OLDER: Final = Query(
    HistoryMessage, MESSAGES + OF_USER + FOR_CLIENTS + OLDER, "position DESC", short=True
)
USER_NEWER: Final = Query(HistoryMessage, MESSAGES + OF_USER + FOR_CLIENTS + NEWER, "position", short=True)
ALL_OLDER: Final = Query(
    HistoryMessage, MESSAGES + OF_CONVERSATION + OWN + OLDER, "position DESC", short=True
)
ALL_NEWER: Final = Query(HistoryMessage, MESSAGES + OF_CONVERSATION + OWN + NEWER, "position", short=True)
ONE: Final = Query(
    HistoryMessage, MESSAGES + OF_CONVERSATION + " AND message_id = %(message_id)s", "position", short=True
)
LINES_OLDER: Final = Query(SaidLine, LINES + OF_USER + " AND kind = 'message'" + OLDER, "position DESC")
LINES_NEWER: Final = Query(SaidLine, LINES + OF_USER + " AND kind = 'message'" + NEWER, "position")

END: Final = 2**63 - 1
"""Before this are the newest."""
LINES_AT_ONCE: Final = 500

decode_text: Final = msgspec.json.Decoder(str).decode


async def page(
    view: View, shard: int, conversation_id: UUID, limit: int, before: int = END, after: int | None = None
) -> list[HistoryMessage]:
    """What clients are shown of a conversation, oldest first: those next to `after`, or else the last ones
    before `before`."""
    if after is not None:
        return await view.rows(CONVERSATION_NEWER, shard, conversation_id, after=after, limit=limit)
    found = await view.rows(CONVERSATION_OLDER, shard, conversation_id, before=before, limit=limit)
    return found[::-1]


async def page_of_items(
    view: View, shard: int, conversation_id: UUID, limit: int, before: int = END, after: int | None = None
) -> list[HistoryMessage]:
    """The same, with all that an agent did."""
    if after is not None:
        return await view.rows(ITEMS_NEWER, shard, conversation_id, after=after, limit=limit)
    found = await view.rows(ITEMS_OLDER, shard, conversation_id, before=before, limit=limit)
    return found[::-1]


async def page_of_user(
    view: View, shard: int, user_id: str, limit: int, before: int = END, after: int | None = None
) -> list[HistoryMessage]:
    """The same across all conversations of a user."""
    if after is not None:
        return await view.rows(USER_NEWER, shard, user_id=user_id, after=after, limit=limit)
    found = await view.rows(USER_OLDER, shard, user_id=user_id, before=before, limit=limit)
    return found[::-1]


class MessagePages:
    """The same pages as bytes: `json` is the SQL that makes of a row what a client is shown."""

    def __init__(self, json: str) -> None:
        def query(where: str, asked: str) -> Query[JsonPage]:
            return json_page(json, SOURCE, where + FOR_CLIENTS, asked, BELOW)

        self._of_conversation = query(OF_CONVERSATION, OLDER), query(OF_CONVERSATION, NEWER)
        self._of_user = query(OF_USER, OLDER), query(OF_USER, NEWER)

    @property
    def queries(self) -> Sequence[Query[JsonPage]]:
        return *self._of_conversation, *self._of_user

    async def of_conversation(
        self,
        view: View,
        shard: int,
        conversation_id: UUID,
        user_id: str,
        limit: int,
        before: int = END,
        after: int | None = None,
    ) -> JsonPage:
        query = self._of_conversation[after is not None]
        return await view.one(
            query, shard, conversation_id, user_id=user_id, before=before, after=after, limit=limit
        )

    async def of_user(
        self, view: View, shard: int, user_id: str, limit: int, before: int = END, after: int | None = None
    ) -> JsonPage:
        query = self._of_user[after is not None]
        return await view.one(query, shard, user_id=user_id, before=before, after=after, limit=limit)


async def entries_before(
    view: View, shard: int, user_id: str, conversation_id: UUID, limit: int, before: int = END
) -> list[HistoryMessage]:
    """Every message of a user's conversation, for the server's eyes too, newest first."""
    return await view.rows(ALL_OLDER, shard, conversation_id, user_id=user_id, before=before, limit=limit)


async def entries_after(
    view: View, shard: int, user_id: str, conversation_id: UUID, limit: int, after: int = 0
) -> list[HistoryMessage]:
    """The same, oldest first."""
    return await view.rows(ALL_NEWER, shard, conversation_id, user_id=user_id, after=after, limit=limit)


async def message(view: View, shard: int, conversation_id: UUID, message_id: str) -> HistoryMessage | None:
    return await view.row(ONE, shard, conversation_id, message_id=message_id)


async def all_of(view: View, shard: int, user_id: str, last: int | None = None) -> AsyncIterator[Said]:
    """Everything that was said in a user's conversations, or the last of it, oldest first."""
    if last is not None:
        for line in (await view.rows(LINES_OLDER, shard, user_id=user_id, before=END, limit=last))[::-1]:
            yield Said(line.role, decode_text(line.content))
        return
    after = 0
    while lines := await view.rows(LINES_NEWER, shard, user_id=user_id, after=after, limit=LINES_AT_ONCE):
        for line in lines:
            yield Said(line.role, decode_text(line.content))
        after = lines[-1].position
