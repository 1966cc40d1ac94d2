"""Everything that a request says of who asks: one thing to ask for, since Litestar runs each of several at
once in a task of its own, and that costs more than reading a page."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Struct

from domain.errors import ConversationNotFound
from projections import conversations
from projections.history import MessagePages
from projections.reading.pages import JsonPage
from service.api.answering.documented import ETAG, KEY, USER_ID, parameter
from service.api.answering.paging import PagePlace
from service.api.asking.principal import (
    Principal,
    caller_for,
    caller_of,
    named_user,
    principal_of,
    request_id_of,
    same_user,
)
from service.api.asking.terms import WriteHeaders, command_from, expected_from, headers_of
from service.attachment import Attachment
from service.commands import Terms
from service.hansard import Hansard
from service.store.append import CommandKey
from service.store.facts import Fact, facts
from service.store.names import as_id, in_any_spelling
from service.store.repository import Caller, Changed
from service.store.tagging import look


class Reached(Struct, frozen=True):
    """For whom a conversation is meant, and which: that it is the caller's is seen to where it is read or
    changed."""

    caller: Caller
    id: UUID


class Asking(Struct, frozen=True):
    attachment: Attachment
    principal: Principal
    named: str | None
    request_id: str | None

    @property
    def hansard(self) -> Hansard:
        """Refused while the database is away: whoever asks for nothing of it is answered all the same."""
        return self.attachment.hansard

    def caller(self, in_body: str | None = None) -> Caller:
        return self._in_reach(caller_of(self.principal, same_user(self.named, in_body), self.request_id))

    async def reach(self, conversation: str, in_body: str | None = None) -> Reached:
        """By its id, or by the name that its user gave it. Where nobody says for whom, it is for its owner;
        a name alone says nothing of that, since several users may have it."""
        if (known := as_id(conversation)) is not None:
            return await self._reach_by_id(known, in_body)
        other_spelling = in_any_spelling(conversation)
        if other_spelling is not None and not self._says_whom(in_body):
            return await self._reach_by_id(other_spelling, in_body)
        caller = self.caller(in_body)
        named = await self.hansard.names.find(self.shard_of(caller), caller.user_id, conversation)
        if (found := named or other_spelling) is None:
            raise ConversationNotFound
        return Reached(caller, found)

    async def id_of(self, conversation: str) -> UUID:
        """Of one that something is asked about, whoever's it is."""
        known = in_any_spelling(conversation)
        if known is not None and not self._says_whom():
            return known
        return as_id(conversation) or (await self.reach(conversation)).id

    async def _reach_by_id(self, conversation_id: UUID, in_body: str | None) -> Reached:
        named = same_user(self.named, in_body)
        caller = await caller_for(self.hansard, self.principal, conversation_id, named, self.request_id)
        return Reached(self._in_reach(caller), conversation_id)

    def _in_reach(self, caller: Caller) -> Caller:
        if self.attachment.is_there:
            self.hansard.reach.expect(self.shard_of(caller))
        return caller

    def _says_whom(self, in_body: str | None = None) -> bool:
        return self.principal.user_id is not None or same_user(self.named, in_body) is not None

    def shard_of(self, caller: Caller) -> int:
        return self.hansard.store.shard_of(caller.user_id)

    async def conversation(self, caller: Caller, conversation_id: UUID) -> conversations.ListedConversation:
        """Somebody else's is answered as if it did not exist."""
        view = self.hansard.views["conversations"]
        found = await conversations.conversation(view, self.shard_of(caller), conversation_id)
        if found is None or found.user_id != caller.user_id:
            raise ConversationNotFound
        return found

    async def messages(
        self, caller: Caller, conversation_id: UUID, place: PagePlace, pages: MessagePages
    ) -> JsonPage:
        """Of a conversation of the caller's: each says whose it is, so that one look is mostly enough."""
        page = await pages.of_conversation(
            self.hansard.views["history"],
            self.shard_of(caller),
            conversation_id,
            caller.user_id,
            place.limit,
            place.before,
            place.after,
        )
        if not page.number:
            await self.conversation(caller, conversation_id)
        elif not page.own:
            raise ConversationNotFound
        return page

    async def messages_of_user(self, caller: Caller, place: PagePlace, pages: MessagePages) -> JsonPage:
        view, shard = self.hansard.views["history"], self.shard_of(caller)
        return await pages.of_user(view, shard, caller.user_id, place.limit, place.before, place.after)


class Writing(Asking, frozen=True):
    """The same of a request that changes something."""

    headers: WriteHeaders

    @property
    def for_everybody(self) -> bool:
        """Whether nobody is named by a backend that may act for all."""
        trusted = self.principal.mode == "service" and "admin" in self.principal.scopes
        return trusted and self.named is None

    def command(self, caller: Caller) -> CommandKey | None:
        return command_from(self.headers, caller)

    async def facts(self, caller: Caller, changed: Changed) -> list[Fact]:
        return await facts(self.hansard.pool, self.shard_of(caller), changed)

    async def tags(self, fact: Fact, content: str) -> Sequence[str]:
        """What the taggers find in a message."""
        find = self.hansard.store.find_tags
        if find is None or fact.tags is not None:
            return fact.tags or ()
        return await look(find, content)

    def terms(self, caller: Caller, expected_version: int | None = None) -> Terms:
        return Terms(expected_from(self.headers, expected_version), self.command(caller))


def asking_of(
    request: Request[Any, Any, Any],
    state: State,
    x_user_id: Annotated[
        str | None,
        HeaderParameter(
            name="X-User-Id",
            description="The user, where no token says who it is.",
            schema_extra=parameter(USER_ID),
        ),
    ] = None,
    user_id_in_query: Annotated[
        str | None,
        QueryParameter(name="user_id", description="The same as X-User-Id.", schema_extra=parameter(USER_ID)),
    ] = None,
) -> Asking:
    named = named_user(x_user_id, user_id_in_query)
    return Asking(state["attachment"], principal_of(request), named, request_id_of())


async def writing_of(
    request: Request[Any, Any, Any],
    asking: NamedDependency[Asking],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            description="Repeating a request with its key adds nothing, and gets the first result again.",
            schema_extra=parameter(KEY),
        ),
    ] = None,
    if_match: Annotated[
        str | None,
        HeaderParameter(
            name="If-Match",
            description="The version (an ETag) that the conversation must still be at; or expected_version.",
            schema_extra=parameter(ETAG),
        ),
    ] = None,
) -> Writing:
    headers = await headers_of(request, idempotency_key, if_match)
    return Writing(asking.attachment, asking.principal, asking.named, asking.request_id, headers)


DEPENDENCIES: Final = {
    "asking": Provide(asking_of, sync_to_thread=False),
    "writing": Provide(writing_of),
}
