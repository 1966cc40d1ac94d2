"""Who asks, and for whom: a request's principal, and the caller that it becomes."""

from typing import Any, Final, Literal
from uuid import UUID

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide
from msgspec import Struct

from domain.content import LIMITS, check_name
from domain.errors import ConversationNotFound
from service.access.scopes import Scope
from service.api.answering.errors import NotYourUser, UserNotNamed, UsersDiffer
from service.hansard import Hansard
from service.store.repository import Caller
from service.store.whereabouts import whereabouts
from service.watch.logs import REQUEST_ID


class Principal(Struct, frozen=True):
    mode: Literal["dev", "user", "service"]
    user_id: str | None
    """Whose token it is; None where the request names the user."""
    name: str
    """Who acts, as the log says it."""
    scopes: frozenset[Scope]


def caller_of(principal: Principal, named: str | None, request_id: str | None) -> Caller:
    """The user whose conversations are meant: the token's own, or the one that was named."""
    if principal.user_id is not None:
        if named is not None and named != principal.user_id:
            raise NotYourUser
        return Caller(principal.user_id, principal.name, request_id)
    if named is None:
        raise UserNotNamed
    return Caller(named, principal.name, request_id)


async def caller_for(
    hansard: Hansard, principal: Principal, conversation_id: UUID, named: str | None, request_id: str | None
) -> Caller:
    """For a conversation that was named: where nobody says for whom, it is for its owner. That it is the
    caller's is seen to where it is read or changed."""
    if principal.user_id is None and named is None:
        return Caller(await owner_of(hansard, conversation_id), principal.name, request_id)
    return caller_of(principal, named, request_id)


async def owner_of(hansard: Hansard, conversation_id: UUID) -> str:
    async with hansard.pool.connection() as connection:
        found = await whereabouts(connection, hansard.reach, conversation_id)
    if found is None or found.user_id is None:
        raise ConversationNotFound
    return found.user_id


def same_user(named: str | None, in_body: str | None) -> str | None:
    """The user that a request names, by header or query and in its body."""
    if in_body is None:
        return named
    check_name("user_id", in_body, LIMITS.user_id)
    if named is not None and named != in_body:
        raise UsersDiffer
    return in_body


def principal_of(request: Request[Principal, Any, Any]) -> Principal:
    """As the guard found it, before anything else of the request was looked at."""
    return request.user


def named_user(x_user_id: str | None, user_id_in_query: str | None) -> str | None:
    in_header = None if x_user_id is None else from_header(x_user_id)
    return same_user(same_user(None, in_header), user_id_in_query)


def from_header(value: str) -> str:
    """Headers are bytes, read as Latin-1; a user's id is the same here and in a query: UTF-8."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def hansard_of(state: State) -> Hansard:
    found: Hansard = state["attachment"].hansard
    return found


def request_id_of() -> str | None:
    return REQUEST_ID.get()


DEPENDENCIES: Final = {
    "principal": Provide(principal_of, sync_to_thread=False),
    "hansard": Provide(hansard_of, sync_to_thread=False),
}
"""What any handler may ask for by these names, as a NamedDependency."""
