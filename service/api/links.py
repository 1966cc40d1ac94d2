"""Conversations by what they are linked to in the host application."""

from typing import Annotated, Final

from litestar import delete, get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from domain.content import check_link
from domain.events import Link
from service.api.answering import examples
from service.api.answering.documented import LINK_KIND, LINK_TARGET, parameter
from service.api.answering.examples import gives
from service.api.answering.paging import Cursor, Limit, position_as_cursor
from service.api.answering.wire import answer
from service.api.asking.asking import Asking, Writing
from service.api.conversations import LISTED, ActiveOnly, ConversationList, listed
from service.chatkit.context import OPPORTUNITY
from service.privacy import forget
from service.store.repository import Caller

TAGS: Final = ["links"]

OpportunityId = Annotated[str, PathParameter(schema_extra=parameter(LINK_TARGET))]


class ErasedCounts(Struct, frozen=True):
    conversations: int
    messages: int


class ErasedConversations(Struct, frozen=True):
    erased: ErasedCounts
    position: str | None


@get(
    "/api/links/{kind:str}/{target:str}/conversations",
    tags=TAGS,
    summary="A user's conversations that are linked to this",
    responses=gives(200, ConversationList, LISTED, "A page; next_cursor leads to the next."),
)
async def linked(
    asking: NamedDependency[Asking],
    kind: Annotated[
        str, PathParameter(description="Such as `opportunity`.", schema_extra=parameter(LINK_KIND))
    ],
    target: Annotated[
        str,
        PathParameter(
            description="Which one: its id in the host application.", schema_extra=parameter(LINK_TARGET)
        ),
    ],
    limit: Limit = 20,
    cursor: Cursor = None,
    active_only: ActiveOnly = False,
) -> ASGIResponse:
    """Most recent activity first."""
    return await listed(asking, limit, cursor, active_only, fit(Link(kind, target)))


@get(
    "/api/opportunities/{opportunity_id:str}/conversations",
    tags=TAGS,
    summary="A user's conversations about this opportunity",
    responses=gives(200, ConversationList, LISTED, "A page; next_cursor leads to the next."),
)
async def of_opportunity(
    asking: NamedDependency[Asking],
    opportunity_id: OpportunityId,
    limit: Limit = 20,
    cursor: Cursor = None,
    active_only: ActiveOnly = False,
) -> ASGIResponse:
    """They stay linked to it, whatever becomes of the opportunity."""
    return await listed(asking, limit, cursor, active_only, fit(Link(OPPORTUNITY, opportunity_id)))


@delete(
    "/api/opportunities/{opportunity_id:str}",
    status_code=200,
    tags=TAGS,
    summary="Erase every conversation about this opportunity",
    responses=gives(
        200,
        ErasedConversations,
        {"erased": {"conversations": 3, "messages": 28}, "position": examples.NEWER},
        "They are erased; how many there were.",
        examples.NO_BODY,
        examples.CONFLICT,
    ),
)
async def erase_opportunity(opportunity_id: OpportunityId, writing: NamedDependency[Writing]) -> ASGIResponse:
    """The user's own. A service key with the scope admin that names no user erases everybody's."""
    link = fit(Link(OPPORTUNITY, opportunity_id))
    if writing.for_everybody:
        backend = Caller("", writing.principal.name, writing.request_id)
        command = writing.command(backend)
        return told(await forget.erase_everybodys(writing.hansard, backend, link, command), None)
    caller = writing.caller()
    erased = await forget.erase_all(writing.hansard, caller, link, writing.command(caller))
    return told(erased, caller)


def told(erased: forget.Erased, caller: Caller | None) -> ASGIResponse:
    """Positions of several users' events are in several orders, so there is none to tell of."""
    counts = ErasedCounts(erased.conversations, erased.messages)
    if caller is None or not erased.position:
        return answer(ErasedConversations(counts, None))
    return answer(ErasedConversations(counts, position_as_cursor(caller.user_id, erased.position)))


def fit(link: Link) -> Link:
    check_link(link)
    return link


HANDLERS: Final = (linked, of_opportunity, erase_opportunity)
