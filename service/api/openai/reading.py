"""Reads for OpenAI's lists: what the entries' ids mean, and what lies on either side of one."""

from collections.abc import Sequence
from uuid import UUID

from domain.content import LIMITS, check_name
from domain.errors import ConversationNotFound, MessageNotFound
from domain.message import WITH_ITEMS
from projections import conversations, history
from projections.conversations import ListedConversation
from projections.history import HistoryMessage
from service.api.answering.errors import NotInList
from service.api.asking.asking import Asking, Reached
from service.api.openai.ids import as_elsewhere
from service.api.openai.pages import Order
from service.items.openai import message_ids_for
from service.store.log import place_of_conversation, place_of_message
from service.store.repository import Caller


async def items(
    asking: Asking, reached: Reached, limit: int, order: Order, after: str | None
) -> Sequence[HistoryMessage]:
    """Of the caller's conversation: one more than a page holds, if there are so many."""
    place = None if after is None else await place_of_item(asking, reached, after)
    view, shard = asking.hansard.views["history"], asking.shard_of(reached.caller)
    if order == "asc":
        found = await history.page_of_items(view, shard, reached.id, limit + 1, after=place or 0)
    else:
        before = history.END if place is None else place
        found = (await history.page_of_items(view, shard, reached.id, limit + 1, before))[::-1]
    if not found or found[0].user_id != reached.caller.user_id:
        await asking.conversation(reached.caller, reached.id)
    return found


async def place_of_item(asking: Asking, reached: Reached, item_id: str) -> int:
    """What was removed still has its place."""
    check_name("after", item_id, LIMITS.message_id)
    user_id, shard = reached.caller.user_id, asking.shard_of(reached.caller)
    async with asking.hansard.pool.connection() as connection:
        for message_id in message_ids_for(item_id):
            place = await place_of_message(connection, shard, user_id, reached.id, message_id)
            if place is not None:
                return place
    await asking.conversation(reached.caller, reached.id)
    raise NotInList(field="after")


async def item(asking: Asking, reached: Reached, item_id: str) -> HistoryMessage:
    check_name("item_id", item_id, LIMITS.message_id)
    view, shard = asking.hansard.views["history"], asking.shard_of(reached.caller)
    for message_id in message_ids_for(item_id):
        found = await history.message(view, shard, reached.id, message_id)
        if found is not None and found.user_id == reached.caller.user_id and found.kind in WITH_ITEMS:
            return found
    await asking.conversation(reached.caller, reached.id)
    raise MessageNotFound(message_id=item_id)


async def conversations_beside(
    asking: Asking, caller: Caller, limit: int, order: Order, after: str | None, before: str | None
) -> Sequence[ListedConversation]:
    """One more than a page holds, if there are so many; the nearest to where the page begins first."""
    view, shard = asking.hansard.views["conversations"], asking.shard_of(caller)
    beside = before if after is None else after
    place = None if beside is None else await place_of(asking, caller, "after" if after else "before", beside)
    towards_older = (order == "desc") == (before is None)
    if towards_older:
        end = conversations.END if place is None else place
        return await conversations.page(view, shard, caller.user_id, limit + 1, end)
    return await conversations.page_after(view, shard, caller.user_id, limit + 1, place or 0)


async def place_of(asking: Asking, caller: Caller, field: str, conversation: str) -> int:
    """What was erased still has its place."""
    shard, view = asking.shard_of(caller), asking.hansard.views["conversations"]
    try:
        reached = await asking.reach(as_elsewhere(conversation))
    except ConversationNotFound:
        raise NotInList(field=field) from None
    row = await conversations.conversation(view, shard, reached.id)
    if row is not None and row.user_id == caller.user_id:
        return row.last_position
    place = await erased_place(asking, shard, caller.user_id, reached.id)
    if place is None:
        raise NotInList(field=field)
    return place


async def erased_place(asking: Asking, shard: int, user_id: str, conversation_id: UUID) -> int | None:
    async with asking.hansard.pool.connection() as connection:
        return await place_of_conversation(connection, shard, user_id, conversation_id)
