"""What people think of a message."""

from typing import Annotated, Final

from litestar import put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath
from litestar.response.base import ASGIResponse
from msgspec import Struct

from domain.content import LIMITS
from service import commands
from service.api.answering import examples
from service.api.answering.documented import USER_ID, ConversationInPath, Limited, name
from service.api.answering.examples import gives
from service.api.answering.wire import Sent, answer
from service.api.answering.written import version_of
from service.api.asking.asking import Writing
from service.api.asking.terms import etag, position_of


class Rating(Sent, frozen=True, kw_only=True):
    rating: Annotated[str, name(LIMITS.rating)]
    comment: Annotated[str | None, Limited(max_length=LIMITS.comment)] = None
    user_id: Annotated[str | None, USER_ID] = None


class Rated(Struct, frozen=True):
    message_id: str
    rating: str
    comment: str | None
    version: int
    position: str | None


GOOD: Final = {"rating": "positive", "comment": "Short, and right."}


@put(
    "/api/conversations/{conversation_id:str}/messages/{message_id:str}/rating",
    tags=["messages"],
    summary="Rate a message",
    responses=gives(
        200,
        Rated,
        {"message_id": examples.ANSWER_ID, "version": 4, "position": examples.NEWER} | GOOD,
        "It is stored.",
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def rate(
    conversation_id: ConversationInPath,
    message_id: FromPath[str],
    data: Annotated[Rating, BodyKwarg(examples=[Example(value=GOOD)])],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """The last rating counts; all of them stay on the record. The same one again changes nothing."""
    reached = await writing.reach(conversation_id, data.user_id)
    caller = reached.caller
    changed = await commands.rate_messages(
        writing.hansard.repository,
        caller,
        reached.id,
        [message_id],
        data.rating,
        data.comment,
        terms=writing.terms(caller),
    )
    version = version_of(changed)
    body = Rated(message_id, data.rating, data.comment, version, position_of(caller, changed))
    return answer(body, headers=etag(version))


HANDLERS: Final = (rate,)
