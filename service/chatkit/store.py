"""ChatKit's Store on the log: its threads are conversations, its items are messages.

Every call is about what its context's user owns; what is anybody else's is not there. What is being written
is written to the end, also when whoever asked for it has gone.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from uuid import UUID

from anyio import CancelScope
from chatkit.store import Store, StoreItemType
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata
from msgspec.structs import replace

from domain import conversation as decisions
from domain.content import LIMITS, check_name
from domain.conversation import Conversation
from domain.errors import ContentRefused, ConversationIsErased, ConversationNotFound, NameIsTaken
from domain.events import Event
from domain.message import Message
from projections import conversations, history
from service import commands
from service.chatkit import attachments
from service.chatkit.context import ChatContext
from service.chatkit.items import as_added, as_revised, item_of, says_the_same
from service.chatkit.missing import ItemNotFound, NoSuchAttachment, ThreadNotFound, as_not_found
from service.chatkit.threads import UNSEEN, begun, changes, fields_of, thread_of
from service.hansard import Hansard
from service.privacy import forget
from service.store.ids import new_id
from service.store.log import place_of_conversation, place_of_message
from service.store.names import as_id

MOST: Final = 1_000
"""More than so many on a page nobody reads, and who asks for them gets the page after it."""

DecideItem = Callable[[Conversation, Message | None], Sequence[Event]]
T = TypeVar("T")


class HansardStore(Store[ChatContext]):
    def __init__(self, hansard: Hansard) -> None:
        self.hansard = hansard
        self._repository = hansard.repository
        self._history = hansard.views[history.History.name]
        self._conversations = hansard.views[conversations.Conversations.name]

    def generate_thread_id(self, context: ChatContext) -> str:
        return str(new_id())

    def generate_item_id(self, item_type: StoreItemType, thread: ThreadMetadata, context: ChatContext) -> str:
        return str(new_id())

    async def load_thread(self, thread_id: str, context: ChatContext) -> ThreadMetadata:
        """Its title is None until somebody has given it one: that is how a server knows that it is its turn
        to. Lists show how it begins."""
        row = await self._row(thread_id, context)
        if row is None:
            raise ThreadNotFound(thread_id=thread_id)
        return seen(row, context)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: ChatContext
    ) -> Page[ThreadMetadata]:
        limit = fair(limit)
        place = await self._place_of_thread(after, context) if after else None
        view, shard, user_id = self._conversations, self._shard(context), context.user_id
        if order == "asc":
            rows = await conversations.page_after(view, shard, user_id, limit + 1, place or 0)
        else:
            before = conversations.END if place is None else place
            rows = await conversations.page(view, shard, user_id, limit + 1, before)
        return page_of([listed(row, context) for row in rows], limit)

    async def save_thread(self, thread: ThreadMetadata, context: ChatContext) -> None:
        """A snapshot comes and an intent is stored: what differs from what this request has seen."""
        after, limits = fields_of(thread), self._repository.limits
        with CancelScope(shield=True), as_not_found(thread.id):
            before = context.seen.get(thread.id)
            if before is None and (row := await self._row(thread.id, context)):
                before = fields_of(thread_of(row))

            async def save(place: UUID) -> None:
                await commands.save_conversation(
                    self._repository,
                    context.caller,
                    place,
                    lambda: begun(after, context.user_id, context.opportunity, limits),
                    lambda known: changes(known, before or UNSEEN, after, limits),
                )

            try:
                await save(await self.place_of(thread.id, context) or new_id())
            except NameIsTaken as meanwhile:
                await save(meanwhile.facts["conversation_id"])
        context.seen[thread.id] = after

    async def delete_thread(self, thread_id: str, context: ChatContext) -> None:
        with CancelScope(shield=True):
            place = await self.place_of(thread_id, context)
            if place is None:
                return
            try:
                await forget.erase(self.hansard, context.caller, place)
            except ConversationNotFound:
                return

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: ChatContext
    ) -> Page[ThreadItem]:
        limit = fair(limit)
        conversation_id = await self.place_of(thread_id, context)
        if conversation_id is None:
            return Page()
        place = await self._place_of_item(conversation_id, after, context) if after else None
        view, shard, user_id = self._history, self._shard(context), context.user_id
        if order == "asc":
            rows = await history.entries_after(view, shard, user_id, conversation_id, limit + 1, place or 0)
        else:
            before = history.END if place is None else place
            rows = await history.entries_before(view, shard, user_id, conversation_id, limit + 1, before)
        return page_of([item_of(thread_id, row) for row in rows], limit)

    async def load_item(self, thread_id: str, item_id: str, context: ChatContext) -> ThreadItem:
        row = None
        if is_id(item_id) and (place := await self.place_of(thread_id, context)) is not None:
            row = await history.message(self._history, self._shard(context), place, item_id)
        if row is None or row.user_id != context.user_id:
            raise ItemNotFound(message_id=item_id)
        return item_of(thread_id, row)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: ChatContext) -> None:
        """Twice the same is once. An open workflow comes again when it is done, and is revised. What answers
        is stored though the thread was closed meanwhile: its question is."""
        wish = as_added(thread_id, item)
        if item.id in context.cut_off:
            wish = replace(wish, status="interrupted")

        def decide(found: Conversation, existing: Message | None) -> Sequence[Event]:
            if existing is not None and not existing.removed and says_the_same(item, thread_id, existing):
                return ()
            late = wish.role != "user"
            return decisions.add_message(found, wish, existing, late, self._repository.limits)

        await self._change_item(thread_id, item.id, context, decide)

    async def save_item(self, thread_id: str, item: ThreadItem, context: ChatContext) -> None:
        """Keeps the place that the item has, whatever becomes of it."""

        def decide(found: Conversation, existing: Message | None) -> Sequence[Event]:
            limits = self._repository.limits
            if existing is None:
                wish = as_added(thread_id, item)
                return decisions.add_message(found, wish, late=wish.role != "user", limits=limits)
            if not existing.removed and says_the_same(item, thread_id, existing):
                return ()
            return decisions.revise_message(found, existing, as_revised(thread_id, item, existing), limits)

        await self._change_item(thread_id, item.id, context, decide)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: ChatContext) -> None:
        with CancelScope(shield=True):
            place = await self.place_of(thread_id, context)
            if place is None or not is_id(item_id):
                return
            try:
                await commands.remove_message(self._repository, context.caller, place, item_id)
            except (ConversationNotFound, ConversationIsErased):
                return

    async def save_attachment(self, attachment: Attachment, context: ChatContext) -> None:
        with CancelScope(shield=True):
            thread_id, limits = attachment.thread_id, self._repository.limits
            row = await self._row(thread_id, context) if thread_id else None
            place = row.conversation_id if row else None
            async with self.hansard.pool.connection() as connection:
                shard = self._shard(context)
                await attachments.save(connection, shard, context.user_id, attachment, place, limits)

    async def load_attachment(self, attachment_id: str, context: ChatContext) -> Attachment:
        found = None
        if is_id(attachment_id):
            async with self.hansard.pool.connection() as connection:
                shard = self._shard(context)
                found = await attachments.load(connection, shard, context.user_id, attachment_id)
        if found is None:
            raise NoSuchAttachment(attachment_id=attachment_id)
        return found

    async def delete_attachment(self, attachment_id: str, context: ChatContext) -> None:
        if not is_id(attachment_id):
            return
        with CancelScope(shield=True):
            async with self.hansard.pool.connection() as connection:
                await attachments.drop(connection, self._shard(context), context.user_id, attachment_id)

    async def _change_item(
        self, thread_id: str, item_id: str, context: ChatContext, decide: DecideItem
    ) -> None:
        with CancelScope(shield=True), as_not_found(thread_id):
            place = await self.place_of(thread_id, context)
            if place is None:
                raise ThreadNotFound(thread_id=thread_id)
            check_name("item_id", item_id, self._repository.limits.message_id)
            await commands.change_message(self._repository, context.caller, place, item_id, decide)

    async def place_of(self, thread_id: str, context: ChatContext) -> UUID | None:
        """The conversation that the thread is, if its id is one; else the user's that is called so."""
        if (known := as_id(thread_id)) is not None:
            return known
        if not is_id(thread_id):
            return None
        return await self.hansard.names.find(self._shard(context), context.user_id, thread_id)

    async def _row(self, thread_id: str, context: ChatContext) -> conversations.ListedConversation | None:
        place = await self.place_of(thread_id, context)
        if place is None:
            return None
        row = await conversations.conversation(self._conversations, self._shard(context), place)
        return row if row is not None and row.user_id == context.user_id else None

    async def _place_of_item(self, conversation_id: UUID, item_id: str, context: ChatContext) -> int:
        """What was removed still has its place in the log."""
        place = None
        if is_id(item_id):
            async with self.hansard.pool.connection() as connection:
                place = await place_of_message(
                    connection, self._shard(context), context.user_id, conversation_id, item_id
                )
        if place is not None:
            return place
        if await self._row(str(conversation_id), context) is None:
            return history.END  # nor is the thread there, and nothing is found in it from anywhere
        raise ItemNotFound(message_id=item_id)

    async def _place_of_thread(self, thread_id: str, context: ChatContext) -> int:
        """A thread that was deleted stands where it stood."""
        if row := await self._row(thread_id, context):
            return row.last_position
        place = None
        if (conversation_id := as_id(thread_id)) is not None:
            async with self.hansard.pool.connection() as connection:
                place = await place_of_conversation(
                    connection, self._shard(context), context.user_id, conversation_id
                )
        if place is None:
            raise ThreadNotFound(thread_id=thread_id)
        return place

    def _shard(self, context: ChatContext) -> int:
        return self.hansard.store.shard_of(context.user_id)


def seen(row: conversations.ListedConversation, context: ChatContext) -> ThreadMetadata:
    """What a request has seen first counts: it may hold on to that while it looks again."""
    thread = thread_of(row)
    context.seen.setdefault(thread.id, fields_of(thread))
    if row.given_title is None and row.title is not None:
        context.called[thread.id] = row.title
    return thread


def listed(row: conversations.ListedConversation, context: ChatContext) -> ThreadMetadata:
    """What it is called there is not a title that the request gives it when it saves it."""
    thread = seen(row, context)
    if row.given_title is None:
        thread.title = context.seen[thread.id]["title"] = row.title
    return thread


def page_of(found: list[T], limit: int) -> Page[T]:
    """Of one more than the page holds."""
    data = found[:limit]
    more = len(found) > limit
    return Page(data=data, has_more=more, after=data[-1].id if more else None)  # type: ignore[attr-defined]


def is_id(text: str) -> bool:
    """Nothing has an id that could not be one, and the database could not even be asked for it."""
    try:
        check_name("id", text, LIMITS.message_id)
    except ContentRefused:
        return False
    return True


def fair(limit: int) -> int:
    return min(max(1, limit), MOST)
