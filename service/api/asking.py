"""Everything that a request says of who asks: one thing to ask for, since Litestar runs each of several at
once in a task of its own, and that costs more than reading a page."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Struct

from service.api import writes
from service.api.principal import (
    Principal,
    caller_for,
    caller_of,
    hansard_of,
    named_user,
    principal_of,
    request_id_of,
    same_user,
)
from service.hansard import Hansard
from service.store.append import Command
from service.store.repository import Caller


class Asking(Struct, frozen=True):
    hansard: Hansard
    principal: Principal
    named: str | None
    request_id: str | None

    def caller(self, in_body: str | None = None) -> Caller:
        return caller_of(self.principal, same_user(self.named, in_body), self.request_id)

    async def caller_for(self, conversation_id: UUID, in_body: str | None = None) -> Caller:
        named = same_user(self.named, in_body)
        return await caller_for(self.hansard, self.principal, conversation_id, named, self.request_id)

    def shard_of(self, caller: Caller) -> int:
        return self.hansard.store.shard_of(caller.user_id)


class Writing(Asking, frozen=True):
    """The same of a request that changes something."""

    terms: writes.Terms

    def command(self, caller: Caller) -> Command | None:
        return writes.command_from(self.terms, caller)

    def expected(self, expected_version: int | None = None) -> int | None:
        return writes.expected_from(self.terms, expected_version)


def asking_of(
    request: Request[Any, Any, Any],
    state: State,
    x_user_id: Annotated[
        str | None,
        HeaderParameter(name="X-User-Id", description="The user, where no token says who it is."),
    ] = None,
    user_id_in_query: Annotated[
        str | None, QueryParameter(name="user_id", description="The same as X-User-Id.")
    ] = None,
) -> Asking:
    named = named_user(x_user_id, user_id_in_query)
    return Asking(hansard_of(state), principal_of(request), named, request_id_of())


async def writing_of(
    request: Request[Any, Any, Any],
    asking: NamedDependency[Asking],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            description="Repeating a request with its key adds nothing, and gets the first result again.",
        ),
    ] = None,
    if_match: Annotated[
        str | None,
        HeaderParameter(
            name="If-Match",
            description="The version (an ETag) that the conversation must still be at; or expected_version.",
        ),
    ] = None,
) -> Writing:
    terms = await writes.terms_of(request, idempotency_key, if_match)
    return Writing(asking.hansard, asking.principal, asking.named, asking.request_id, terms)


DEPENDENCIES: Final = {
    "asking": Provide(asking_of, sync_to_thread=False),
    "writing": Provide(writing_of),
}
