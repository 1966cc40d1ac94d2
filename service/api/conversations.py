"""Conversations, for applications that keep their record here: started, listed, read, changed, erased."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter, QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import UNSET, Struct, UnsetType, field

from domain import events
from domain.content import LIMITS, check_name
from domain.errors import ConversationNotFound
from projections import conversations
from service import commands
from service.api.answering import examples
from service.api.answering.documented import (
    BATCH,
    ETAGS,
    LINK,
    LINKS,
    NAME,
    NO_NUL,
    TITLE,
    USER_ID,
    ConversationInPath,
    Limited,
    parameter,
)
from service.api.answering.entries import SUMMARIES
from service.api.answering.examples import gives
from service.api.answering.including import Include, wants_items
from service.api.answering.paging import (
    After,
    Before,
    Cursor,
    Limit,
    cursor_after,
    place_of,
    position_as_cursor,
    recent,
)
from service.api.answering.wire import (
    ConversationBody,
    ErasedMessages,
    LinkBody,
    Sent,
    Summary,
    answer,
    conversation,
    link_in,
    links_from,
    raw_list,
)
from service.api.answering.written import as_changed, as_started
from service.api.as_of import At, ConversationRead, as_it_stood
from service.api.asking.asking import Asking, Reached, Writing
from service.api.asking.quick import UsualRequest, quickly
from service.api.asking.terms import etag, is_known
from service.api.asking.wishes import NewMessage, wishes
from service.api.privacy import erase_one
from service.audit.as_of import conversation_at
from service.store.afterwards import once_stored
from service.store.append import Appended
from service.store.facts import must_be_readable
from service.store.repository import Caller, Changed

TAGS: Final = ["conversations"]

ActiveOnly = Annotated[bool, QueryParameter(description="Leaves out what has ended.")]


class NewConversation(Sent, frozen=True, kw_only=True):
    title: Annotated[str | None, TITLE] = None
    name: Annotated[str | None, NAME] = None
    """An id of your own for it, unique within the user: it is found by that, too."""
    metadata: dict[str, Any] = field(default_factory=dict)
    links: Annotated[list[LinkBody], LINKS] = field(default_factory=list)
    messages: Annotated[list[NewMessage], BATCH] = field(default_factory=list)
    user_id: Annotated[str | None, USER_ID] = None
    expected_version: int | None = None


class Changes(Sent, frozen=True, kw_only=True):
    """What is left out stays as it is; metadata and links are given whole."""

    title: Annotated[str | UnsetType, TITLE] = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    links: Annotated[list[LinkBody] | UnsetType, LINKS] = UNSET
    ended: bool | UnsetType = UNSET
    user_id: Annotated[str | None, USER_ID] = None
    expected_version: int | None = None


class ConversationList(Struct, frozen=True):
    conversations: list[Summary]
    next_cursor: str | None


class ErasedConversation(Struct, frozen=True):
    id: UUID
    erased: ErasedMessages
    version: int
    position: str | None


LISTED: Final = {"conversations": [examples.SUMMARY], "next_cursor": examples.NEXT}
NEW: Final = {
    "title": "Eiffel Tower",
    "metadata": {"channel": "web"},
    "links": [examples.LINK],
    "messages": [{"role": "user", "content": "How tall is the Eiffel Tower?"}],
}


@post(
    "/api/conversations",
    tags=TAGS,
    summary="Start a conversation",
    responses=gives(
        201,
        ConversationBody,
        examples.CONVERSATION,
        "It is stored; Location and ETag name it.",
        examples.BODY,
        examples.CONFLICT,
    ),
)
async def start(
    data: Annotated[NewConversation, BodyKwarg(examples=[Example(value=NEW)])],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """With its first messages, if any are given: all of it or nothing."""
    caller = writing.caller(data.user_id)
    changed = await commands.start_conversation(
        writing.hansard.repository,
        caller,
        title=data.title,
        links=links_from(data.links),
        metadata=data.metadata,
        name=data.name,
        first_messages=wishes(data.messages),
        terms=writing.terms(caller, data.expected_version),
    )
    if changed.appended is None:
        raise ConversationNotFound
    conversation_id = changed.appended.conversation_id
    position = position_as_cursor(caller.user_id, changed.appended.position)
    body = as_started(await writing.facts(caller, changed), caller, conversation_id, position)
    where = {"Location": f"/api/conversations/{conversation_id}"}
    return answer(body, 201, where | etag(body.version))


async def list_quickly(request: UsualRequest) -> ASGIResponse:
    request.only("limit", "cursor", "active_only")
    return await listed(
        request.asking(), request.limit(20), request.text("cursor"), request.flag("active_only")
    )


@get(
    "/api/conversations",
    opt=quickly(list_quickly),
    tags=TAGS,
    summary="A user's conversations, most recent activity first",
    responses=gives(200, ConversationList, LISTED, "A page; next_cursor leads to the next."),
)
async def list_all(
    asking: NamedDependency[Asking],
    limit: Limit = 20,
    cursor: Cursor = None,
    active_only: ActiveOnly = False,
    link: Annotated[
        str | None,
        QueryParameter(
            description="Only what is linked to this, as in `opportunity:opp_42`.",
            schema_extra=parameter(LINK),
        ),
    ] = None,
    q: Annotated[
        str | None,
        QueryParameter(
            description="Only what has this in its title.",
            schema_extra=parameter(Limited(max_length=LIMITS.title, pattern=NO_NUL)),
        ),
    ] = None,
) -> ASGIResponse:
    """Activity is what is said: ending or renaming a conversation leaves it at its place."""
    wanted = None if link is None else link_in(link)
    return await listed(asking, limit, cursor, active_only, wanted, q)


async def listed(
    asking: Asking,
    limit: int,
    cursor: str | None,
    active_only: bool,
    link: events.Link | None = None,
    title: str | None = None,
) -> ASGIResponse:
    caller = asking.caller()
    if title:
        check_name("q", title, LIMITS.title)
    page = await SUMMARIES.of_user(
        asking.hansard.views["conversations"],
        asking.shard_of(caller),
        caller.user_id,
        limit,
        recent(caller.user_id, cursor),
        conversations.WantedConversations(active_only, link, title or None),
    )
    return answer(ConversationList(raw_list(page), cursor_after(page, caller.user_id)))


async def read_quickly(request: UsualRequest) -> ASGIResponse:
    request.only()
    asking = request.asking()
    reached = await asking.reach(request.in_path("conversation_id"))
    return await now(asking, reached, request.header(b"if-none-match"))


@get(
    "/api/conversations/{conversation_id:str}",
    opt=quickly(read_quickly),
    tags=TAGS,
    summary="One conversation",
    responses={
        **gives(
            200,
            ConversationRead,
            examples.CONVERSATION,
            "As it stands; ETag is its version.",
            examples.UNKNOWN,
        ),
        304: ResponseSpec(None, description="It is still at a version that If-None-Match names."),
    },
)
async def read(
    conversation_id: ConversationInPath,
    asking: NamedDependency[Asking],
    at: At = None,
    limit: Limit = 50,
    before: Before = None,
    after: After = None,
    include: Include = None,
    if_none_match: Annotated[
        str | None,
        HeaderParameter(
            name="If-None-Match",
            description="The ETag that is known already: while it is still true, the answer is 304.",
            schema_extra=parameter(ETAGS),
        ),
    ] = None,
) -> ASGIResponse:
    """Without its messages, which have pages of their own; with `at`, as it stood then and with them.
    `include` is about those."""
    if at is not None:
        return await as_it_stood(asking, conversation_id, at, limit, before, after, wants_items(include))
    reached = await asking.reach(conversation_id)
    place_of(reached.caller.user_id, limit, before, after)
    wants_items(include)
    return await now(asking, reached, if_none_match)


async def now(asking: Asking, reached: Reached, if_none_match: str | None) -> ASGIResponse:
    found = await asking.conversation(reached.caller, reached.id)
    if is_known(if_none_match, found.version):
        return ASGIResponse(status_code=304, headers=etag(found.version))
    return answer(await as_it_stands(asking, reached.caller, found), headers=etag(found.version))


async def as_it_stands(
    asking: Asking, caller: Caller, found: conversations.ListedConversation
) -> ConversationBody:
    view, shard = asking.hansard.views["conversations"], asking.shard_of(caller)
    linked = await conversations.links_of(view, shard, [found.conversation_id])
    position = position_as_cursor(caller.user_id, found.last_position)
    return conversation(found, linked[found.conversation_id], position)


@patch(
    "/api/conversations/{conversation_id:str}",
    tags=TAGS,
    summary="Rename, link, end or reopen a conversation, or change its metadata",
    responses=gives(
        200,
        ConversationBody,
        examples.CONVERSATION,
        "All of it is stored, as one change.",
        examples.BODY,
        examples.ERASED,
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def change(
    conversation_id: ConversationInPath,
    data: Annotated[
        Changes,
        BodyKwarg(
            examples=[
                Example(summary="Rename", value={"title": "Eiffel Tower", "expected_version": 3}),
                Example(summary="End", value={"ended": True}),
            ]
        ),
    ],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """What is left out stays as it is. What changes nothing is no error."""
    reached = await writing.reach(conversation_id, data.user_id)
    changed = await commands.change_details(
        writing.hansard.repository,
        reached.caller,
        reached.id,
        details(data),
        terms=writing.terms(reached.caller, data.expected_version),
    )
    body = await as_after(writing, reached.caller, reached.id, changed)
    return answer(body, headers=etag(body.version))


async def as_after(
    writing: Writing, caller: Caller, conversation_id: UUID, changed: Changed
) -> ConversationBody:
    """What was stored is told without reading it back, wherever that can be."""
    state, appended = changed.conversation, changed.appended
    if appended is None:
        return await as_it_stands(writing, caller, await writing.conversation(caller, conversation_id))
    if state is None or state.anonymised or appended.repeated:
        return await as_it_was(writing, caller, changed, appended)
    return as_changed(state, appended, caller)


async def as_it_was(
    writing: Writing, caller: Caller, changed: Changed, appended: Appended
) -> ConversationBody:
    """After the change, when it was carried out before; and of what only the log knows the words."""
    must_be_readable(changed)
    with once_stored():
        found, linked = await conversation_at(
            writing.hansard.pool, writing.shard_of(caller), appended.conversation_id, appended.version
        )
    return conversation(found, linked, position_as_cursor(caller.user_id, appended.position))


def details(data: Changes) -> commands.Details:
    return commands.Details(
        title=None if data.title is UNSET else data.title,
        metadata=None if data.metadata is UNSET else data.metadata,
        links=None if data.links is UNSET else links_from(data.links),
        ended=None if data.ended is UNSET else data.ended,
    )


@delete(
    "/api/conversations/{conversation_id:str}",
    status_code=200,
    tags=TAGS,
    summary="Erase a conversation and all its messages",
    responses=gives(
        200,
        ErasedConversation,
        {
            "id": examples.CONVERSATION_ID,
            "erased": {"messages": 2},
            "version": 5,
            "position": examples.NEWER,
        },
        "It is erased.",
        examples.NO_BODY,
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def erase(conversation_id: ConversationInPath, writing: NamedDependency[Writing]) -> ASGIResponse:
    """It is gone from every list, page and search."""
    gone = await erase_one(writing, conversation_id)
    counts, version = ErasedMessages(gone.erased.messages), gone.erased.version
    body = ErasedConversation(gone.conversation_id, counts, version, gone.position)
    return answer(body, headers=etag(version))


HANDLERS: Final = (start, list_all, read, change, erase)
