"""The user's own words, found again."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from domain.content import check_words
from domain.events import Role
from projections import conversations, search
from projections.search import ALWAYS, FIRST_PAGE, After, Hit, Order
from service.api.answering import examples
from service.api.answering.cursors import decode, encode
from service.api.answering.documented import A_ROLE, A_TIME, LINK, Limited, parameter
from service.api.answering.examples import gives
from service.api.answering.paging import MOST, Cursor, Limit, position_as_cursor
from service.api.answering.times import time_in
from service.api.answering.wire import answer, link_in, moment, value_in
from service.api.asking.asking import Asking

LONGEST: Final = 1_000
KIND: Final = "search"
PLACE: Final = tuple[float, int]


class Result(Struct, frozen=True):
    """The snippet is HTML in which nothing is markup but `<mark>` around what was found. Messages that are
    asked for `after` its place begin with this one."""

    message_id: str
    conversation_id: UUID
    role: str
    timestamp: datetime
    rank: float
    snippet: str
    place: str


class Results(Struct, frozen=True):
    results: list[Result]
    next_cursor: str | None


FOUND: Final[dict[str, Any]] = {
    "message_id": examples.QUESTION_ID,
    "conversation_id": examples.CONVERSATION_ID,
    "role": "user",
    "timestamp": examples.ASKED_AT,
    "rank": 0.0608,
    "snippet": "How tall is the <mark>Eiffel</mark> <mark>Tower</mark>?",
    "place": examples.OLDER,
}


@get(
    "/api/search",
    tags=["search"],
    summary="Search a user's messages, in all conversations",
    responses=gives(
        200, Results, {"results": [FOUND], "next_cursor": examples.NEXT}, "A page of what was found."
    ),
)
async def find(
    asking: NamedDependency[Asking],
    q: Annotated[
        str,
        QueryParameter(
            description='Words, `"a phrase"`, `or`, and `-` before what must not be there.',
            examples=[Example(value="eiffel tower")],
            schema_extra=parameter(Limited(max_length=LONGEST)),
        ),
    ],
    role: Annotated[
        str | None, QueryParameter(description="Only what this side said.", schema_extra=A_ROLE)
    ] = None,
    since: Annotated[
        str | None,
        QueryParameter(
            name="from",
            description="A day or a time, in UTC unless it says more.",
            schema_extra=A_TIME,
        ),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(
            name="to",
            description="The same; what was said from then on is left out.",
            schema_extra=A_TIME,
        ),
    ] = None,
    link: Annotated[
        str | None,
        QueryParameter(
            description="Only where this is linked, as in `opportunity:opp_42`.", schema_extra=parameter(LINK)
        ),
    ] = None,
    order: Annotated[Order, QueryParameter(description="Best match first, or newest first.")] = "best",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ASGIResponse:
    """Finds whole words, whatever their case."""
    caller = asking.caller()
    check_words("q", q, LONGEST)
    found = await search.find(
        asking.hansard.views["search"],
        asking.hansard.settings.search_language,
        asking.shard_of(caller),
        caller.user_id,
        q,
        limit + 1,
        order,
        None if role is None else value_in("role", role, Role),
        ALWAYS[0] if since is None else time_in("from", since),
        ALWAYS[1] if until is None else time_in("to", until),
        None if link is None else await conversations_with(asking, caller.user_id, link),
        FIRST_PAGE if cursor is None else After(*decode(KIND, caller.user_id, cursor, PLACE)),
    )
    page = found[:limit]
    more = len(found) > limit
    next_cursor = encode(KIND, caller.user_id, (page[-1].rank, page[-1].position)) if more else None
    return answer(Results([result(caller.user_id, each) for each in page], next_cursor))


def result(user_id: str, found: Hit) -> Result:
    return Result(
        found.message_id,
        found.conversation_id,
        found.role,
        moment(found.recorded_at),
        found.rank,
        found.html,
        position_as_cursor(user_id, found.position - 1),
    )


async def conversations_with(asking: Asking, user_id: str, link: str) -> list[UUID]:
    view, shard = asking.hansard.views["conversations"], asking.hansard.store.shard_of(user_id)
    wanted, before = conversations.WantedConversations(link=link_in(link)), conversations.END
    ids: list[UUID] = []
    while rows := await conversations.page(view, shard, user_id, MOST, before, wanted):
        ids += [row.conversation_id for row in rows]
        before = rows[-1].last_position
    return ids


HANDLERS: Final = (find,)
