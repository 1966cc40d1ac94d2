"""The items of a conversation: added whole, listed in either order, retrieved and deleted one at a time."""

from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, PathParameter
from litestar.response.base import ASGIResponse

from domain.content import LIMITS
from domain.errors import ConversationNotFound, MessageNotFound
from service.api.answering import examples
from service.api.answering.documented import BATCH, ConversationInPath, name, parameter
from service.api.answering.openai_examples import CALL, CONVERSATION, ITEM, gives
from service.api.answering.wire import JsonAnswer, Sent, answer, encode
from service.api.answering.written import version_of
from service.api.asking.asking import Asking, Writing
from service.api.asking.terms import etag
from service.api.openai import reading
from service.api.openai import writing as writes
from service.api.openai.conversations import ONE, TAGS, reads
from service.api.openai.ids import as_elsewhere
from service.api.openai.pages import USUAL, AfterEntry, AsGiven, Include, InOrder, PageLimit, cut
from service.api.openai.shapes import AnyItem, ConversationObject, ItemList, conversation_after, listed
from service.items.openai import item_as_given, item_id_of, item_of

ITEMS: Final = f"{ONE}/items"
ITEM_PATH: Final = f"{ITEMS}/{{item_id:str}}"
NO_ITEM: Final = (MessageNotFound(message_id="msg_0198c2a47d317f028a196be4c07d5f18"),)

ItemInPath = Annotated[
    str, PathParameter(description="The item's id.", schema_extra=parameter(name(LIMITS.message_id)))
]


class NewItems(Sent, frozen=True, kw_only=True):
    items: Annotated[list[dict[str, Any]], BATCH]


LISTED: Final = {
    "object": "list",
    "data": [ITEM],
    "first_id": ITEM["id"],
    "last_id": ITEM["id"],
    "has_more": False,
}


@post(
    ITEMS,
    status_code=200,
    tags=TAGS,
    summary="Add items to a conversation, as OpenAI's clients do",
    responses=gives(
        ItemList,
        LISTED,
        "All of them are stored, in this order.",
        examples.BODY,
        examples.ERASED,
        examples.UNKNOWN,
        examples.ENDED,
    ),
)
async def create(
    conversation_id: ConversationInPath,
    data: Annotated[
        NewItems,
        BodyKwarg(
            examples=[
                Example(value={"items": [{"role": "user", "content": "How tall is the Eiffel Tower?"}]}),
                Example(value={"items": [CALL]}),
            ]
        ),
    ],
    writing: NamedDependency[Writing],
    include: Include = None,
    as_given: AsGiven = False,
) -> ASGIResponse:
    """All of them or none: up to 1,000, where OpenAI takes 20. An item with an id of its own that is there
    already, and says the same, is not added twice."""
    reached = await writing.reach(as_elsewhere(conversation_id))
    changed, items = await writes.add(writing, reached, data.items, as_given)
    page = listed(ItemList, items, False, lambda item: item, lambda item: str(item["id"]))
    return answer(page, headers=etag(version_of(changed)))


@get(
    ITEMS,
    tags=TAGS,
    summary="List the items of a conversation, as OpenAI's clients do",
    responses=gives(ItemList, LISTED, "A page of items.", examples.UNKNOWN),
)
async def list_all(
    conversation_id: ConversationInPath,
    request: Request[Any, Any, Any],
    asking: NamedDependency[Asking],
    limit: PageLimit = USUAL,
    order: InOrder = "desc",
    after: AfterEntry = None,
    include: Include = None,
    as_given: AsGiven = False,
) -> ASGIResponse:
    """What was said through other surfaces reads as messages."""
    reached = await asking.reach(as_elsewhere(conversation_id))
    found = await reading.items(asking, reached, limit, order, after)
    reads(request, reached)
    rows, more = cut(found, limit)
    return answer(listed(ItemList, rows, more, item_as_given if as_given else item_of, item_id_of))


@get(
    ITEM_PATH,
    tags=TAGS,
    summary="Retrieve one item, as OpenAI's clients do",
    responses=gives(AnyItem, ITEM, "The item, whole.", examples.UNKNOWN, NO_ITEM),
)
async def retrieve(
    conversation_id: ConversationInPath,
    item_id: ItemInPath,
    request: Request[Any, Any, Any],
    asking: NamedDependency[Asking],
    include: Include = None,
) -> ASGIResponse:
    """As it was given; a message that was given in short is read in full."""
    reached = await asking.reach(as_elsewhere(conversation_id))
    found = await reading.item(asking, reached, item_id)
    reads(request, reached)
    return JsonAnswer(encode(item_of(found)), 200, None)


@delete(
    ITEM_PATH,
    status_code=200,
    tags=TAGS,
    summary="Delete one item, as OpenAI's clients do",
    responses=gives(
        ConversationObject,
        CONVERSATION,
        "It is gone from every list, page and search.",
        examples.NO_BODY,
        examples.ERASED,
        examples.UNKNOWN,
        NO_ITEM,
        examples.CONFLICT,
    ),
)
async def remove(
    conversation_id: ConversationInPath, item_id: ItemInPath, writing: NamedDependency[Writing]
) -> ASGIResponse:
    """Answers with the conversation. The log keeps the item until the conversation is erased."""
    reached = await writing.reach(as_elsewhere(conversation_id))
    changed = await writes.remove(writing, reached, item_id)
    if changed.conversation is None:
        raise ConversationNotFound
    return answer(conversation_after(changed.conversation), headers=etag(version_of(changed)))


HANDLERS: Final = (create, list_all, retrieve, remove)
