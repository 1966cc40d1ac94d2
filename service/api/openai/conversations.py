"""Conversations as OpenAI's clients have them: created, retrieved, updated, deleted; and Azure's list."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg
from litestar.response.base import ASGIResponse
from msgspec import field
from msgspec.structs import replace

from domain import conversation as decisions
from domain.conversation import Conversation
from domain.errors import ConversationNotFound
from domain.events import ConversationStarted, Event, MetadataChanged
from service import commands
from service.api.answering import examples
from service.api.answering.documented import BATCH, NAME, ConversationInPath
from service.api.answering.openai_examples import CONVERSATION, DELETED, gives
from service.api.answering.wire import Sent, answer, unfit
from service.api.answering.written import version_of
from service.api.asking.asking import Asking, Reached, Writing
from service.api.asking.recorded_reads import RecordedRead, say_that_it_reads
from service.api.asking.terms import etag
from service.api.openai import reading
from service.api.openai.ids import as_elsewhere, id_of
from service.api.openai.metadata import Metadata, wanted
from service.api.openai.pages import USUAL, AfterEntry, BeforeEntry, InOrder, PageLimit, cut
from service.api.openai.shapes import (
    ConversationObject,
    ConversationPage,
    DeletedConversation,
    conversation,
    conversation_after,
    conversation_of,
    listed,
)
from service.api.openai.writing import wishes_of
from service.api.privacy import erase_one

TAGS: Final = ["openai"]
PATH: Final = "/v1/conversations"
ONE: Final = "/v1/conversations/{conversation_id:str}"


class NewOpenAIConversation(Sent, frozen=True, kw_only=True):
    items: Annotated[list[dict[str, Any]] | None, BATCH] = None
    metadata: Metadata = None
    name: Annotated[str | None, NAME] = None


class NewMetadata(Sent, frozen=True, kw_only=True):
    metadata: Metadata = field()


NEW: Final = {
    "items": [{"role": "user", "content": "How tall is the Eiffel Tower?"}],
    "metadata": {"topic": "towers"},
}


@post(
    PATH,
    status_code=200,
    tags=TAGS,
    summary="Create a conversation, as OpenAI's clients do",
    responses=gives(
        ConversationObject, CONVERSATION, "It is stored.", examples.BODY, examples.CONFLICT, examples.ERASED
    ),
)
async def create(
    data: Annotated[NewOpenAIConversation, BodyKwarg(examples=[Example(value=NEW)])],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """With its first items, if any are given: all of it or nothing. `name` is Hansard's own: an id that the
    caller chose for the conversation."""
    caller = writing.caller()
    changed = await commands.start_conversation(
        writing.hansard.repository,
        caller,
        metadata=wanted(data.metadata),
        name=data.name,
        first_messages=wishes_of(data.items or ()),
        terms=writing.terms(caller),
    )
    if changed.appended is None:
        raise ConversationNotFound
    facts = await writing.facts(caller, changed)
    (started,) = [fact.event for fact in facts if isinstance(fact.event, ConversationStarted)]
    body = conversation(
        changed.appended.conversation_id, facts[0].recorded_at, started.metadata, started.name
    )
    return answer(body, headers=etag(facts[-1].version))


@get(
    PATH,
    tags=TAGS,
    summary="A user's conversations, as OpenAI's clients on Azure list them",
    responses=gives(
        ConversationPage,
        {
            "object": "list",
            "data": [CONVERSATION],
            "first_id": CONVERSATION["id"],
            "last_id": CONVERSATION["id"],
            "has_more": False,
        },
        "A page of conversations.",
    ),
)
async def list_all(
    request: Request[Any, Any, Any],
    asking: NamedDependency[Asking],
    limit: PageLimit = USUAL,
    order: InOrder = "desc",
    after: AfterEntry = None,
    before: BeforeEntry = None,
) -> ASGIResponse:
    """By their last activity, as everywhere in Hansard."""
    if after is not None and before is not None:
        raise unfit("after", "Expected either before or after, not both")
    caller = asking.caller()
    found = await reading.conversations_beside(asking, caller, limit, order, after, before)
    rows, more = cut(found, limit, backwards=before is not None)
    page = listed(
        ConversationPage, rows, more, conversation_of, lambda row: id_of(row.conversation_id, row.name)
    )
    say_that_it_reads(request.scope, RecordedRead(f"GET {PATH}", caller.user_id, None))
    return answer(page)


@get(
    ONE,
    tags=TAGS,
    summary="Retrieve a conversation, as OpenAI's clients do",
    responses=gives(ConversationObject, CONVERSATION, "As it stands.", examples.UNKNOWN),
)
async def retrieve(
    conversation_id: ConversationInPath, request: Request[Any, Any, Any], asking: NamedDependency[Asking]
) -> ASGIResponse:
    """Without its items, which have pages of their own."""
    reached = await asking.reach(as_elsewhere(conversation_id))
    found = await asking.conversation(reached.caller, reached.id)
    reads(request, reached)
    return answer(conversation_of(found), headers=etag(found.version))


def reads(request: Request[Any, Any, Any], reached: Reached) -> None:
    operation = f"GET {request.scope['path_template']}"
    say_that_it_reads(request.scope, RecordedRead(operation, reached.caller.user_id, reached.id))


@post(
    ONE,
    status_code=200,
    tags=TAGS,
    summary="Update a conversation's metadata, as OpenAI's clients do",
    responses=gives(
        ConversationObject,
        CONVERSATION,
        "It is stored.",
        examples.BODY,
        examples.ERASED,
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def update(
    conversation_id: ConversationInPath,
    data: Annotated[NewMetadata, BodyKwarg(examples=[Example(value={"metadata": {"topic": "towers"}})])],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """The metadata is given whole; null is none. A value of another surface that is no text is shown as its
    JSON, and stays what it is when that comes back."""
    reached = await writing.reach(as_elsewhere(conversation_id))
    limits = writing.hansard.repository.limits

    def decide(known: Conversation) -> Sequence[Event]:
        return decisions.change_metadata(known, wanted(data.metadata, known.metadata), limits)

    changed = await commands.change_conversation(
        writing.hansard.repository, reached.caller, reached.id, decide, writing.terms(reached.caller)
    )
    state = changed.conversation
    if state is None:
        raise ConversationNotFound
    for fact in await writing.facts(reached.caller, changed):
        if isinstance(fact.event, MetadataChanged):
            state = replace(state, metadata=fact.event.metadata)
    return answer(conversation_after(state), headers=etag(version_of(changed)))


@delete(
    ONE,
    status_code=200,
    tags=TAGS,
    summary="Delete a conversation, as OpenAI's clients do: it is erased",
    responses=gives(
        DeletedConversation,
        DELETED,
        "It is erased.",
        examples.NO_BODY,
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def erase(conversation_id: ConversationInPath, writing: NamedDependency[Writing]) -> ASGIResponse:
    """With all its items, from every list, page and search. OpenAI keeps the items; here they are gone."""
    gone = await erase_one(writing, as_elsewhere(conversation_id))
    body = DeletedConversation(id=conversation_id, receipt=gone.erased.receipt.id)
    return answer(body, headers=etag(gone.erased.version))


HANDLERS: Final = (create, list_all, retrieve, update, erase)
