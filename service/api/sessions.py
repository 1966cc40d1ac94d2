"""Conversations as sessions of one user: listed, read, ended, erased."""

from typing import Annotated, Final

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, PathParameter, QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from projections import conversations
from projections.reading.pages import JsonPage
from service import commands
from service.api.answering import examples
from service.api.answering.documented import (
    A_CONVERSATION,
    NAME,
    USER_ID,
    ConversationInPath,
    parameter,
)
from service.api.answering.entries import SESSION_MESSAGES, SESSIONS
from service.api.answering.examples import gives
from service.api.answering.paging import (
    After,
    Before,
    Cursor,
    Limit,
    PagePlace,
    cursor_after,
    cursors_at,
    place_of,
    position_as_cursor,
    recent,
)
from service.api.answering.wire import (
    ErasedMessages,
    Sent,
    Session,
    SessionMessage,
    answer,
    raw_list,
    session,
)
from service.api.answering.written import version_of
from service.api.asking.asking import Asking, Writing
from service.api.asking.quick import UsualRequest, quickly
from service.api.asking.terms import etag, position_of
from service.api.privacy import erase_one
from service.privacy import forget

TAGS: Final = ["sessions"]


class Sessions(Struct, frozen=True):
    success: bool
    sessions: list[Session]
    count: int
    next_cursor: str | None


class SessionHistory(Struct, frozen=True):
    """Oldest first. `older` leads to the page before and is null at the beginning; `newer` is always there,
    and leads to what has come since."""

    success: bool
    session: Session | None
    messages: list[SessionMessage]
    count: int
    older: str | None
    newer: str


class EndSession(Sent, frozen=True, kw_only=True):
    session_id: Annotated[str, NAME]
    user_id: Annotated[str | None, USER_ID] = None
    expected_version: int | None = None


class Ended(Struct, frozen=True):
    success: bool
    message: str
    version: int
    position: str | None


class ErasedSession(Struct, frozen=True):
    success: bool
    erased: ErasedMessages
    version: int
    position: str | None


class ErasedSessionCounts(Struct, frozen=True):
    sessions: int
    messages: int


class ErasedSessions(Struct, frozen=True):
    success: bool
    erased: ErasedSessionCounts
    position: str | None


HISTORY: Final = {
    "success": True,
    "session": examples.SESSION,
    "messages": examples.SESSION_MESSAGES,
    "count": 2,
    "older": examples.OLDER,
    "newer": examples.NEWER,
}
ENDED: Final = {
    "success": True,
    "message": f"Session {examples.CONVERSATION_ID} marked as inactive",
    "version": 4,
    "position": examples.NEWER,
}


async def list_quickly(request: UsualRequest) -> ASGIResponse:
    request.only("limit", "active_only", "cursor")
    return await list_of(
        request.asking(), request.limit(20), request.flag("active_only"), request.text("cursor")
    )


@get(
    "/api/chat/sessions",
    opt=quickly(list_quickly),
    tags=TAGS,
    summary="A user's sessions, most recent activity first",
    responses=gives(
        200,
        Sessions,
        {"success": True, "sessions": [examples.SESSION], "count": 1, "next_cursor": examples.NEXT},
        "A page of sessions; next_cursor leads to the next, and is null at the end.",
    ),
)
async def list_sessions(
    asking: NamedDependency[Asking],
    limit: Limit = 20,
    active_only: Annotated[bool, QueryParameter(description="Leaves out what has ended.")] = False,
    cursor: Cursor = None,
) -> ASGIResponse:
    """Sessions are conversations; `session_data` is their metadata."""
    return await list_of(asking, limit, active_only, cursor)


async def list_of(asking: Asking, limit: int, active_only: bool, cursor: str | None) -> ASGIResponse:
    caller = asking.caller()
    view, shard = asking.hansard.views["conversations"], asking.shard_of(caller)
    before = recent(caller.user_id, cursor)
    wanted = conversations.WantedConversations(active_only)
    page = await SESSIONS.of_user(view, shard, caller.user_id, limit, before, wanted)
    return answer(Sessions(True, raw_list(page), page.number, cursor_after(page, caller.user_id)))


async def read_history_quickly(request: UsualRequest) -> ASGIResponse:
    request.only("session_id", "limit", "before", "after")
    asking, session_id = request.asking(), request.text("session_id")
    place = request.limit(50), request.text("before"), request.text("after")
    if session_id is None:
        return await of_user(asking, *place)
    return await of_session(asking, session_id, *place)


@get(
    "/api/chat/history",
    opt=quickly(read_history_quickly),
    tags=TAGS,
    summary="What was said in one session, or in all of a user's",
    responses=gives(200, SessionHistory, HISTORY, "A page of messages, oldest first.", examples.UNKNOWN),
)
async def read_history(
    asking: NamedDependency[Asking],
    session_id: Annotated[
        str | None,
        QueryParameter(
            description="The session's id, or its name; all of the user's without it.",
            schema_extra=A_CONVERSATION,
        ),
    ] = None,
    limit: Limit = 50,
    before: Before = None,
    after: After = None,
) -> ASGIResponse:
    """The newest `limit` messages, the page `before` one, or what came `after` one."""
    if session_id is None:
        return await of_user(asking, limit, before, after)
    return await of_session(asking, session_id, limit, before, after)


async def of_user(asking: Asking, limit: int, before: str | None, after: str | None) -> ASGIResponse:
    caller = asking.caller()
    place = place_of(caller.user_id, limit, before, after)
    return told(None, place, await asking.messages_of_user(caller, place, SESSION_MESSAGES))


async def read_session_quickly(request: UsualRequest) -> ASGIResponse:
    request.only("limit", "before", "after")
    return await of_session(
        request.asking(),
        request.in_path("session_id"),
        request.limit(50),
        request.text("before"),
        request.text("after"),
    )


@get(
    "/api/chat/{session_id:str}/history",
    opt=quickly(read_session_quickly),
    tags=TAGS,
    summary="What was said in one session",
    responses=gives(200, SessionHistory, HISTORY, "A page of messages, oldest first.", examples.UNKNOWN),
)
async def read_session(
    asking: NamedDependency[Asking],
    session_id: ConversationInPath,
    limit: Limit = 50,
    before: Before = None,
    after: After = None,
) -> ASGIResponse:
    """The same as `/api/chat/history` with this `session_id`."""
    return await of_session(asking, session_id, limit, before, after)


async def of_session(
    asking: Asking, conversation: str, limit: int, before: str | None, after: str | None
) -> ASGIResponse:
    reached = await asking.reach(conversation)
    place = place_of(reached.caller.user_id, limit, before, after)
    found = await asking.conversation(reached.caller, reached.id)
    page = await asking.messages(reached.caller, reached.id, place, SESSION_MESSAGES)
    return told(session(found), place, page)


def told(of: Session | None, place: PagePlace, page: JsonPage) -> ASGIResponse:
    around = cursors_at(place, page.lowest, page.highest, page.more)
    return answer(SessionHistory(True, of, raw_list(page), page.number, around.older, around.newer))


@post(
    "/api/chat/end-session",
    status_code=200,
    tags=TAGS,
    summary="End a session",
    responses=gives(
        200, Ended, ENDED, "It has ended, now or before.", examples.BODY, examples.UNKNOWN, examples.CONFLICT
    ),
)
async def end_session(
    data: Annotated[
        EndSession, BodyKwarg(examples=[Example(value={"session_id": examples.CONVERSATION_ID})])
    ],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """It takes no further message, and can be read as before. Ending twice is no error."""
    reached = await writing.reach(data.session_id, data.user_id)
    caller = reached.caller
    changed = await commands.end(
        writing.hansard.repository,
        caller,
        reached.id,
        terms=writing.terms(caller, data.expected_version),
    )
    version = version_of(changed)
    message = f"Session {data.session_id} marked as inactive"
    return answer(Ended(True, message, version, position_of(caller, changed)), headers=etag(version))


@delete(
    "/api/chat/session/{session_id:str}",
    status_code=200,
    tags=TAGS,
    summary="Erase a session and all its messages",
    responses=gives(
        200,
        ErasedSession,
        {"success": True, "erased": {"messages": 2}, "version": 5, "position": examples.NEWER},
        "It is erased.",
        examples.NO_BODY,
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def erase_session(session_id: ConversationInPath, writing: NamedDependency[Writing]) -> ASGIResponse:
    """It is gone from every list, history and search."""
    gone = await erase_one(writing, session_id)
    counts, version = ErasedMessages(gone.erased.messages), gone.erased.version
    return answer(ErasedSession(True, counts, version, gone.position), headers=etag(version))


@delete(
    "/api/session/{user_id:str}",
    status_code=200,
    tags=TAGS,
    summary="Erase all of a user's sessions",
    responses=gives(
        200,
        ErasedSessions,
        {"success": True, "erased": {"sessions": 12, "messages": 131}, "position": examples.NEWER},
        "They are erased; how many there were.",
        examples.NO_BODY,
        examples.CONFLICT,
    ),
)
async def erase_sessions(
    user_id: Annotated[str, PathParameter(schema_extra=parameter(USER_ID))],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """Asked for again, it answers the same, unless there is something new to erase."""
    caller = writing.caller(user_id)
    erased = await forget.erase_all(writing.hansard, caller, command=writing.command(caller))
    position = position_as_cursor(caller.user_id, erased.position) if erased.position else None
    return answer(ErasedSessions(True, ErasedSessionCounts(erased.conversations, erased.messages), position))


HANDLERS: Final = (
    list_sessions,
    read_history,
    read_session,
    end_session,
    erase_session,
    erase_sessions,
)
