"""Chat: a message goes in, the responder's reply comes out, whole or as it is given; both are stored."""

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from domain.errors import MessageNotFound
from projections import history
from service import commands
from service.api.answering import examples
from service.api.answering.chat_examples import ANSWER, STOPPED, STREAM, refused
from service.api.answering.documented import (
    A_WORD,
    EVENT_ID,
    NAME,
    TITLE,
    USER_ID,
    ConversationInPath,
    parameter,
)
from service.api.answering.examples import gives
from service.api.answering.paging import position_as_cursor
from service.api.answering.sse import EventStream, StreamPlace, Tell, events_of, place_in
from service.api.answering.wire import Sent, SessionMessage, answer, session_message
from service.api.answering.written import version_of
from service.api.asking.asking import Asking, Writing
from service.api.asking.room import STREAMS
from service.api.asking.terms import etag, position_of
from service.replies.asked import asked
from service.replies.reply import Reply
from service.store.afterwards import once_stored
from service.store.repository import Caller

TAGS: Final = ["chat"]


class NewTurn(Sent, frozen=True, kw_only=True):
    message: Annotated[str, A_WORD]
    is_fortune: bool = False
    metadata: dict[str, Any] | None = None
    interrupt: bool = False
    """Stops the reply that is running in the session, if there is one."""
    user_id: Annotated[str | None, USER_ID] = None
    expected_version: int | None = None


class NewChat(NewTurn, frozen=True, kw_only=True):
    session_id: Annotated[str | None, NAME] = None
    """Its id, or its name; a new session without it."""
    session_data: dict[str, Any] | None = None
    """Becomes the session's."""


class Start(Sent, frozen=True, kw_only=True):
    user_id: Annotated[str | None, USER_ID] = None
    title: Annotated[str | None, TITLE] = None
    name: Annotated[str | None, NAME] = None
    """An id of your own for it, unique within the user: it is found by that, too."""
    session_data: dict[str, Any] | None = None


class StoredReply(SessionMessage, frozen=True):
    status: str
    """interrupted: it was stopped, or broke off; what came of it is here."""
    in_reply_to: str | None


class Chatted(Struct, frozen=True):
    success: bool
    session_id: UUID
    message: SessionMessage
    reply: StoredReply
    version: int
    position: str


class Started(Struct, frozen=True):
    session_id: UUID
    version: int
    position: str | None


class Stopped(Struct, frozen=True):
    success: bool
    stopped: bool
    reply: StoredReply | None


BODY: Final = BodyKwarg(examples=[Example(value={"message": "How tall is the Eiffel Tower?"})])
CONTINUED: Final = BodyKwarg(
    examples=[
        Example(summary="A new session", value={"message": "How tall is the Eiffel Tower?"}),
        Example(
            summary="A session that goes on",
            value={"message": "And in feet?", "session_id": examples.CONVERSATION_ID},
        ),
    ]
)
EVENTS: Final = ResponseSpec(
    str,
    generate_examples=False,
    media_type="text/event-stream",
    description="The events `session`, `delta`…, and `done` or `error`; each has an id to go on from.",
    examples=[Example(value=STREAM)],
)
REPLIED: Final = "The message and its reply, both stored."


@post(
    "/api/chat",
    status_code=200,
    tags=TAGS,
    summary="Send a message and get the reply",
    responses=gives(200, Chatted, ANSWER, REPLIED, *refused(examples.UNKNOWN)),
)
async def chat(data: Annotated[NewChat, CONTINUED], writing: NamedDependency[Writing]) -> ASGIResponse:
    """The message is stored first, then the reply. Before each reply the responder is told all that was said
    in the user's sessions. A caller who goes away keeps neither from being stored."""
    caller, reply = await begun(writing, data.session_id, data, data.session_data)
    return await replied(writing, caller, reply)


@post(
    "/api/chat/stream",
    opt=STREAMS,
    status_code=200,
    tags=TAGS,
    summary="Send a message and listen to the reply",
    responses={
        **gives(200, Chatted, ANSWER, REPLIED, *refused(examples.UNKNOWN), examples.STREAMED),
        200: EVENTS,
    },
)
async def stream(data: Annotated[NewChat, CONTINUED], writing: NamedDependency[Writing]) -> ASGIResponse:
    """The same as server-sent events. Whoever is cut off goes on with `GET /api/chat/{session_id}/stream`."""
    caller, reply = await begun(writing, data.session_id, data, data.session_data)
    return EventStream(events_of(reply, 0, telling(writing, caller)))


@get(
    "/api/chat/{session_id:str}/stream",
    opt=STREAMS,
    tags=TAGS,
    summary="Listen to the reply of a session",
    responses={
        **gives(200, Chatted, ANSWER, REPLIED, examples.UNKNOWN, examples.RESTORED, examples.STREAMED),
        200: EVENTS,
        204: ResponseSpec(None, description="There is no reply to listen to, or it was heard to its end."),
    },
)
async def resume(
    session_id: ConversationInPath,
    asking: NamedDependency[Asking],
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID",
            description="The id of the last event that was heard.",
            schema_extra=parameter(EVENT_ID),
            examples=[Example(value=f"{examples.ANSWER_ID}:11")],
        ),
    ] = None,
) -> ASGIResponse:
    """The running reply, or the latest one; with Last-Event-ID that reply, from there on. Any worker has
    it, whichever gives it, and after a restart too."""
    place = StreamPlace("", 0) if not last_event_id else place_in(last_event_id)
    reached = await asking.reach(session_id)
    caller = reached.caller
    await asking.conversation(caller, reached.id)
    reply = None
    if place.offset is not None:
        shard = asking.shard_of(caller)
        reply = await asking.hansard.replies.find(shard, reached.id, place.reply_id or None)
    if reply is None or place.offset is None:
        return ASGIResponse(status_code=204)
    return EventStream(events_of(reply, place.offset, telling(asking, caller)))


@post(
    "/api/chat/{session_id:str}/stop",
    status_code=200,
    tags=TAGS,
    summary="Stop the running reply",
    responses=gives(
        200, Stopped, STOPPED, "What came of it is stored as interrupted.", examples.NO_BODY, examples.UNKNOWN
    ),
)
async def stop(session_id: ConversationInPath, writing: NamedDependency[Writing]) -> ASGIResponse:
    """Whichever worker gives it. Where none is running, nothing happens."""
    reached = await writing.reach(session_id)
    await writing.conversation(reached.caller, reached.id)
    reply = await writing.hansard.replies.stop(writing.shard_of(reached.caller), reached.id)
    message = (await reply.ended_as()).message if reply is not None else None
    return answer(Stopped(True, reply is not None, stored_reply(message) if message else None))


@post(
    "/api/chat/start",
    status_code=200,
    tags=TAGS,
    summary="Start a session",
    responses=gives(
        200,
        Started,
        {"session_id": examples.CONVERSATION_ID, "version": 1, "position": examples.NEWER},
        "It is there, without a message.",
        examples.BODY,
        examples.CONFLICT,
    ),
)
async def start(
    writing: NamedDependency[Writing],
    data: Annotated[Start | None, BodyKwarg(examples=[Example(value={"user_id": "user123"})])] = None,
) -> ASGIResponse:
    """For clients that want its id before the first message; the others need not."""
    wish = data or Start()
    caller = writing.caller(wish.user_id)
    changed = await commands.start_conversation(
        writing.hansard.repository,
        caller,
        title=wish.title,
        name=wish.name,
        metadata=wish.session_data,
        terms=writing.terms(caller),
    )
    if changed.appended is None:
        raise TypeError("a start without events")
    started = changed.appended.conversation_id
    version = version_of(changed)
    return answer(Started(started, version, position_of(caller, changed)), headers=etag(version))


@post(
    "/api/chat/{session_id:str}/message",
    status_code=200,
    tags=TAGS,
    summary="Send a message to a session and get the reply",
    responses=gives(200, Chatted, ANSWER, REPLIED, *refused(examples.UNKNOWN)),
)
async def send(
    session_id: ConversationInPath, data: Annotated[NewTurn, BODY], writing: NamedDependency[Writing]
) -> ASGIResponse:
    """The same as `/api/chat` with this `session_id`."""
    caller, reply = await begun(writing, session_id, data)
    return await replied(writing, caller, reply)


async def begun(
    writing: Writing, session: str | None, turn: NewTurn, session_data: dict[str, Any] | None = None
) -> tuple[Caller, Reply]:
    reached = None if session is None else await writing.reach(session, turn.user_id)
    caller = writing.caller(turn.user_id) if reached is None else reached.caller
    reply = await writing.hansard.replies.ask(
        asked(
            caller,
            turn.message,
            conversation_id=None if reached is None else reached.id,
            is_fortune=turn.is_fortune,
            metadata=turn.metadata,
            conversation_metadata=session_data,
            interrupt=turn.interrupt,
            terms=writing.terms(caller, turn.expected_version),
        )
    )
    return caller, reply


async def replied(asking: Asking, caller: Caller, reply: Reply) -> ASGIResponse:
    body = await chatted(asking, caller, reply)
    return answer(body, headers=etag(body.version))


def telling(asking: Asking, caller: Caller) -> Tell:
    return lambda reply: chatted(asking, caller, reply)


async def chatted(asking: Asking, caller: Caller, reply: Reply) -> Chatted:
    stored = await reply.outcome()
    question = reply.question or await question_of(asking, caller, stored)
    return Chatted(
        True,
        stored.conversation_id,
        session_message(question),
        stored_reply(stored),
        stored.version,
        position_as_cursor(caller.user_id, stored.position),
    )


async def question_of(
    asking: Asking, caller: Caller, stored: history.HistoryMessage
) -> history.HistoryMessage:
    """Where another process gives the reply, or it was given before."""
    view, shard = asking.hansard.views["history"], asking.shard_of(caller)
    with once_stored(session_id=str(stored.conversation_id)):
        found = await history.message(view, shard, stored.conversation_id, stored.in_reply_to or "")
    if found is None:
        raise MessageNotFound(message_id=stored.in_reply_to)
    return found


def stored_reply(row: history.HistoryMessage) -> StoredReply:
    known = msgspec.structs.asdict(session_message(row))
    return StoredReply(**known, status=row.status, in_reply_to=row.in_reply_to)


HANDLERS: Final = (chat, stream, resume, stop, start, send)
