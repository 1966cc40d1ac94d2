"""The messages of one conversation: read in pages, added one at a time or many at once."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg
from litestar.response.base import ASGIResponse
from msgspec import UNSET, Struct
from msgspec.json import Decoder

from domain import events
from domain.errors import MessageNotFound
from projections import history
from service import commands
from service.api.answering import examples
from service.api.answering.documented import BATCH, USER_ID, ConversationInPath
from service.api.answering.entries import MESSAGES
from service.api.answering.examples import gives
from service.api.answering.including import Include, wants_items
from service.api.answering.paging import After, Before, Limit, cursors_at, page_at, place_of
from service.api.answering.wire import MessageBody, Sent, answer, message, raw_list
from service.api.answering.written import as_added, version_of
from service.api.asking.asking import Asking, Writing
from service.api.asking.quick import UsualRequest, quickly
from service.api.asking.terms import etag, position_of
from service.api.asking.wishes import NewMessage, wish, wishes
from service.store.facts import Fact
from service.store.repository import Caller

TAGS: Final = ["messages"]


class OneMessage(NewMessage, frozen=True, kw_only=True):
    user_id: Annotated[str | None, USER_ID] = None
    expected_version: int | None = None


class NewMessages(Sent, frozen=True, kw_only=True):
    messages: Annotated[list[NewMessage], BATCH]
    user_id: Annotated[str | None, USER_ID] = None
    expected_version: int | None = None


class MessagePage(Struct, frozen=True):
    """Oldest first. `older` leads to the page before and is null at the beginning; `newer` is always there,
    and leads to what has come since."""

    messages: list[MessageBody]
    older: str | None
    newer: str


class Added(Struct, frozen=True):
    ids: list[str]
    count: int
    version: int
    position: str | None


ONE_MESSAGE: Final = Decoder(OneMessage)
QUESTION: Final = {"role": "user", "content": "How tall is the Eiffel Tower?"}
ANSWER: Final = {"role": "assistant", "content": "330 metres, antennas included."}
CALL: Final = {key: value for key, value in examples.CALL.items() if key not in ("id", "status")}


async def read_quickly(request: UsualRequest) -> ASGIResponse:
    request.only("limit", "before", "after")
    return await page_of(
        request.asking(),
        request.in_path("conversation_id"),
        request.limit(50),
        request.text("before"),
        request.text("after"),
    )


@get(
    "/api/conversations/{conversation_id:str}/messages",
    opt=quickly(read_quickly),
    tags=TAGS,
    summary="The messages of a conversation",
    responses=gives(
        200,
        MessagePage,
        {"messages": [examples.QUESTION, examples.ANSWER], "older": examples.OLDER, "newer": examples.NEWER},
        "A page of messages, oldest first.",
        examples.UNKNOWN,
    ),
)
async def read(
    conversation_id: ConversationInPath,
    asking: NamedDependency[Asking],
    limit: Limit = 50,
    before: Before = None,
    after: After = None,
    include: Include = None,
) -> ASGIResponse:
    """The newest `limit` messages, the page `before` one, or what came `after` one. With `include`, each has
    its `item`, and what an agent did stands between what was said."""
    if wants_items(include):
        return await page_of_items(asking, conversation_id, limit, before, after)
    return await page_of(asking, conversation_id, limit, before, after)


async def page_of(
    asking: Asking, conversation: str, limit: int, before: str | None, after: str | None
) -> ASGIResponse:
    reached = await asking.reach(conversation)
    place = place_of(reached.caller.user_id, limit, before, after)
    page = await asking.messages(reached.caller, reached.id, place, MESSAGES)
    around = cursors_at(place, page.lowest, page.highest, page.more)
    return answer(MessagePage(raw_list(page), around.older, around.newer))


async def page_of_items(
    asking: Asking, conversation: str, limit: int, before: str | None, after: str | None
) -> ASGIResponse:
    reached = await asking.reach(conversation)
    place = place_of(reached.caller.user_id, limit, before, after)
    await asking.conversation(reached.caller, reached.id)
    view, shard = asking.hansard.views["history"], asking.shard_of(reached.caller)
    rows, around = await page_at(place, partial(history.page_of_items, view, shard, reached.id))
    return answer(MessagePage([message(row, as_item=True) for row in rows], around.older, around.newer))


async def add_quickly(request: UsualRequest) -> ASGIResponse:
    request.only()
    conversation, writing = request.in_path("conversation_id"), request.writing()
    return await added(conversation, await request.body(ONE_MESSAGE), writing)


@post(
    "/api/conversations/{conversation_id:str}/messages",
    opt=quickly(add_quickly),
    status_code=201,
    tags=TAGS,
    summary="Put a message on the record",
    responses=gives(
        201,
        MessageBody,
        examples.ANSWER | {"position": examples.NEWER},
        "It is stored.",
        examples.BODY,
        examples.ERASED,
        examples.UNKNOWN,
        examples.ENDED,
    ),
)
async def add(
    conversation_id: ConversationInPath,
    data: Annotated[OneMessage, BodyKwarg(examples=[Example(value=ANSWER), Example(value={"item": CALL})])],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """For applications that call their own model: both sides are recorded here, and nobody replies."""
    return await added(conversation_id, data, writing)


async def added(conversation: str, data: OneMessage, writing: Writing) -> ASGIResponse:
    reached, new = await writing.reach(conversation, data.user_id), wish(data)
    caller = reached.caller
    changed = await commands.add_messages(
        writing.hansard.repository,
        caller,
        reached.id,
        [new],
        ids_are_new=data.own_id is None,
        terms=writing.terms(caller, data.expected_version),
    )
    position, version, is_item = position_of(caller, changed), version_of(changed), data.item is not UNSET
    for fact in await writing.facts(caller, changed):
        if isinstance(fact.event, events.MessageAdded):
            tags = await writing.tags(fact, fact.event.content)
            body = as_added(fact, fact.event, reached.id, caller, tags, position, is_item)
            return answer(body, 201, etag(version))
    body = await known(writing, caller, reached.id, new.message_id, is_item)
    return answer(body, 201, etag(version))


async def known(
    asking: Asking, caller: Caller, conversation_id: UUID, message_id: str, as_item: bool
) -> MessageBody:
    """What was added before under the same id, word for word the same."""
    view, shard = asking.hansard.views["history"], asking.shard_of(caller)
    found = await history.message(view, shard, conversation_id, message_id)
    if found is None:
        raise MessageNotFound(message_id=message_id)
    return message(found, as_item)


@post(
    "/api/conversations/{conversation_id:str}/messages/batch",
    status_code=201,
    tags=TAGS,
    summary="Put up to 1,000 messages on the record",
    responses=gives(
        201,
        Added,
        {
            "ids": [examples.QUESTION_ID, examples.CALL_ID, examples.ANSWER_ID],
            "count": 3,
            "version": 4,
            "position": examples.NEWER,
        },
        "All of them are stored, in this order.",
        examples.BODY,
        examples.ERASED,
        examples.UNKNOWN,
        examples.ENDED,
    ),
)
async def add_many(
    conversation_id: ConversationInPath,
    data: Annotated[
        NewMessages, BodyKwarg(examples=[Example(value={"messages": [QUESTION, {"item": CALL}, ANSWER]})])
    ],
    writing: NamedDependency[Writing],
) -> ASGIResponse:
    """All of them or none."""
    reached = await writing.reach(conversation_id, data.user_id)
    caller = reached.caller
    new = wishes(data.messages)
    changed = await commands.add_messages(
        writing.hansard.repository,
        caller,
        reached.id,
        new,
        ids_are_new=all(each.own_id is None for each in data.messages),
        terms=writing.terms(caller, data.expected_version),
    )
    ids = [each.message_id for each in new]
    if changed.appended is not None and changed.appended.repeated:
        ids = ids_before(await writing.facts(caller, changed), data.messages)
    version = version_of(changed)
    return answer(Added(ids, len(ids), version, position_of(caller, changed)), 201, etag(version))


def ids_before(facts: Sequence[Fact], messages: Sequence[NewMessage]) -> list[str]:
    """The ids that were given then to the messages that came without one."""
    given = {message.own_id for message in messages}
    added = (fact.event.message_id for fact in facts if isinstance(fact.event, events.MessageAdded))
    made = (message_id for message_id in added if message_id not in given)
    return [message.own_id or next(made) for message in messages]


HANDLERS: Final = (read, add, add_many)
