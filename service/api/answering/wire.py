"""The shapes in which conversations and messages leave the service, made of the rows that are read.

Their fields are declared as what the client gets. What is JSON in a row already is put there as it is, and
nothing is decoded to be encoded again.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from litestar.exceptions import ValidationException
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from msgspec import UNSET, Raw, Struct, UnsetType

from domain import events
from domain.content import check_link
from projections import conversations, history
from projections.reading.pages import JsonPage
from service.api.answering.documented import LINK_KIND, LINK_TARGET
from service.items.openai import item_of

encode: Final = msgspec.json.Encoder().encode
raw: Final[Any] = Raw
"""For a field that is declared as what the client gets, the bytes that she gets."""
JSON: Final = (b"content-type", b"application/json")
RFC3339: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class ErasedMessages(Struct, frozen=True):
    messages: int


class Sent(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a caller sends: a field that nobody reads is most often one that was misspelt."""


class LinkBody(Sent, frozen=True, kw_only=True):
    """A tie to something of the host application: `opportunity`, `opp_42`."""

    kind: Annotated[str, LINK_KIND]
    id: Annotated[str, LINK_TARGET]


class Session(Struct, frozen=True):
    id: UUID
    user_id: str | None
    created_at: datetime
    updated_at: datetime
    is_active: bool
    title: str | None
    message_count: int
    session_data: dict[str, Any]
    name: str | None


class SessionMessage(Struct, frozen=True):
    id: str
    session_id: UUID
    user_id: str | None
    role: str
    content: str
    timestamp: datetime
    is_fortune: bool
    metadata: dict[str, Any]


class Summary(Struct, frozen=True):
    """A conversation as it is listed. Its title is the given one, or how the first question begins."""

    id: UUID
    user_id: str | None
    title: str | None
    created_at: datetime
    updated_at: datetime
    ended: bool
    message_count: int
    metadata: dict[str, Any]
    version: int
    name: str | None
    """The caller's own id for it."""


class ConversationBody(Struct, frozen=True):
    """The position is that of the change which this answers, or of what was said last: messages can be asked
    for `after` it."""

    id: UUID
    user_id: str | None
    title: str | None
    created_at: datetime
    updated_at: datetime
    ended: bool
    message_count: int
    metadata: dict[str, Any]
    links: list[LinkBody]
    version: int
    position: str
    name: str | None


class MessageBody(Struct, frozen=True, omit_defaults=True):
    """The version is the message's place in its conversation."""

    id: str
    conversation_id: UUID
    user_id: str | None
    role: str
    kind: str
    content: str
    timestamp: datetime
    is_fortune: bool
    metadata: dict[str, Any]
    status: str
    tags: list[str]
    version: int
    in_reply_to: str | UnsetType = UNSET
    revised_at: datetime | UnsetType = UNSET
    rating: str | UnsetType = UNSET
    comment: str | UnsetType = UNSET
    position: str | UnsetType = UNSET
    """Where a message that is told of for itself went: others can be asked for `after` it."""
    item: dict[str, Any] | UnsetType = UNSET
    """The message whole, in the shape of OpenAI's items, where it was given so or is asked for so."""


def moment(at: datetime) -> datetime:
    """Is always written in UTC and with its microseconds; the encoder would leave zeros out."""
    if at.microsecond and at.tzinfo is UTC:
        return at
    return cast(datetime, at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"))


def raw_list(page: JsonPage) -> Any:
    """The entries of a page, where they are declared as what the client gets."""
    return Raw(b"[%b]" % (page.entries or b""))


def session(row: conversations.ListedConversation) -> Session:
    return Session(
        row.conversation_id,
        row.user_id,
        moment(row.started_at),
        moment(row.last_activity_at),
        row.ended_at is None,
        row.title,
        row.message_count,
        raw(row.metadata),
        row.name,
    )


def conversation(
    row: conversations.ListedConversation, linked: Iterable[events.Link], position: str
) -> ConversationBody:
    return ConversationBody(
        row.conversation_id,
        row.user_id,
        row.title,
        moment(row.started_at),
        moment(row.last_activity_at),
        row.ended_at is not None,
        row.message_count,
        raw(row.metadata),
        links(linked),
        row.version,
        position,
        row.name,
    )


def links(linked: Iterable[events.Link]) -> list[LinkBody]:
    in_order = sorted((each.kind, each.target) for each in linked)
    return [LinkBody(kind=kind, id=target) for kind, target in in_order]


def session_message(row: history.HistoryMessage) -> SessionMessage:
    return SessionMessage(
        row.message_id,
        row.conversation_id,
        row.user_id,
        row.role,
        raw(row.content),
        moment(row.recorded_at),
        row.is_fortune,
        raw(row.metadata),
    )


def message(row: history.HistoryMessage, as_item: bool = False) -> MessageBody:
    """By place, which is quicker: a page has up to a thousand of them."""
    return MessageBody(
        row.message_id,
        row.conversation_id,
        row.user_id,
        row.role,
        row.kind,
        raw(row.content),
        moment(row.recorded_at),
        row.is_fortune,
        raw(row.metadata),
        row.status,
        raw(row.tags),
        row.version,
        UNSET if row.in_reply_to is None else row.in_reply_to,
        UNSET if row.revised_at is None else moment(row.revised_at),
        UNSET if row.rating is None else row.rating,
        UNSET if row.comment is None else raw(row.comment),
        item=item_of(row) if as_item else UNSET,
    )


def links_from(given: Iterable[LinkBody]) -> list[events.Link]:
    return [events.Link(link.kind, link.id) for link in given]


def link_in(text: str) -> events.Link:
    """As it stands in a query: `opportunity:opp_42`."""
    kind, colon, target = text.partition(":")
    if not colon:
        raise unfit("link", "Expected a kind and an id, as in `opportunity:opp_42`")
    link = events.Link(kind, target)
    check_link(link)
    return link


def value_in(name: str, text: str, kind: Any) -> Any:
    """Of a query, where a value may be left out: the framework would take the word `null` for that, too."""
    try:
        return msgspec.convert(text, kind)
    except msgspec.ValidationError as wrong:
        raise unfit(name, str(wrong)) from None


def unfit(name: str, why: str) -> ValidationException:
    """In the shape in which Litestar itself refuses a value of a query."""
    said = {"key": name, "message": why, "source": "query"}
    return ValidationException(f"{name}: {why}", extra=[said])


class JsonAnswer(ASGIResponse):
    """Two messages, with headers that need no further look: the bytes are JSON, and their length is known."""

    def __init__(self, body: bytes, status_code: int, headers: dict[str, str] | None) -> None:
        self.body = body
        self.status_code = status_code
        self._headers = [JSON, (b"content-length", b"%d" % len(body))]
        for name, value in (headers or {}).items():
            self._headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self._headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def answer(body: Struct, status_code: int = 200, headers: dict[str, str] | None = None) -> ASGIResponse:
    """The finished response, which Litestar sends as it is."""
    return JsonAnswer(encode(body), status_code, headers)
