"""A server of an application's own, which makes whatever it is asked for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from chatkit.actions import Action
from chatkit.store import default_generate_id
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomTask,
    HiddenContextItem,
    LockedStatus,
    StructuredInputFreeform,
    StructuredInputItem,
    SyncCustomActionResponse,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import Card, DynamicWidgetRoot, Text

from service.chatkit.context import ChatContext
from service.chatkit.own_ids import NOBODYS
from service.chatkit.server import HansardChatKit
from service.chatkit.store import HansardStore
from service.hansard import Hansard

SECRET = "what only the server should see"


def buttons() -> DynamicWidgetRoot:
    """Actions within actions, at every depth that there is."""
    action = {"type": "pick", "payload": {"then": {"type": "ask", "payload": [None, 1.0, {"é": "\0"}]}}}
    button = {"type": "Button", "label": "Pick", "onClickAction": {**action, "handler": "server"}}
    row = {"type": "Row", "children": [button, {"type": "Col", "children": [button]}]}
    item = {"type": "ListViewItem", "onClickAction": action, "children": [row]}
    return DynamicWidgetRoot.model_validate({"type": "ListView", "children": [item, item]})


class Kitchen(HansardChatKit):
    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: ChatContext
    ) -> AsyncIterator[ThreadStreamEvent]:
        asked = "".join(part.text for part in input_user_message.content) if input_user_message else ""
        events = getattr(self, f"_{asked.removeprefix('/')}", None) if asked.startswith("/") else None
        async for event in (
            events(thread, context) if events else super().respond(thread, input_user_message, context)
        ):
            yield event

    def about(self, thread: ThreadMetadata, context: ChatContext) -> dict[str, Any]:
        return {
            "id": self.store.generate_item_id("message", thread, context),
            "thread_id": thread.id,
            "created_at": datetime.now(),  # noqa: DTZ005 - as ChatKit's own package has it
        }

    async def _widget(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        card = Card(children=[Text(value="Choose", id="text")])
        item = WidgetItem(**self.about(thread, context), widget=card, copy_text="Choose")
        yield ThreadItemDoneEvent(item=item)

    async def _form(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        question = StructuredInputFreeform(id="where", question="Where are you?")
        item = StructuredInputItem(**self.about(thread, context), inputs=[question])
        yield ThreadItemDoneEvent(item=item)

    async def _tool(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        about = self.about(thread, context)
        call = ClientToolCallItem(**about, call_id="call_1", name="position", arguments={"precise": True})
        yield ThreadItemDoneEvent(item=call)

    async def _hidden(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        first = HiddenContextItem(**self.about(thread, context), content=SECRET)
        yield ThreadItemAddedEvent(item=first)
        yield ThreadItemDoneEvent(item=first)
        yield ThreadItemReplacedEvent(item=first.model_copy(update={"content": {"more": SECRET}}))

    async def _workflow(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        """Open at the end of its turn, as ChatKit's agents helper leaves one."""
        work = Workflow(type="custom", tasks=[CustomTask(title="Look it up")], expanded=True)
        item = WorkflowItem(**self.about(thread, context), workflow=work)
        yield ThreadItemAddedEvent(item=item)
        await self.store.add_thread_item(thread.id, item, context)

    async def _close(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        """The next turn reports it done."""
        newest = (await self.store.load_thread_items(thread.id, None, 10, "desc", context)).data
        item = next(each for each in newest if isinstance(each, WorkflowItem))
        item.workflow.tasks[0].status_indicator = "complete"
        item.workflow.expanded = False
        yield ThreadItemDoneEvent(item=item)

    async def _fake(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        """What ChatKit's agents helper makes of a model by Chat Completions."""
        about = self.about(thread, context) | {"id": NOBODYS}
        yield ThreadItemAddedEvent(item=AssistantMessageItem(**about, content=[]))
        update = AssistantMessageContentPartTextDelta(content_index=0, delta="Hello.")
        yield ThreadItemUpdatedEvent(item_id=NOBODYS, update=update)
        content = [AssistantMessageContent(text="Hello.")]
        yield ThreadItemDoneEvent(item=AssistantMessageItem(**about, content=content))

    async def _endless(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        item = AssistantMessageItem(**self.about(thread, context), content=[])
        yield ThreadItemAddedEvent(item=item)
        update = AssistantMessageContentPartTextDelta(content_index=0, delta="Once ")
        yield ThreadItemUpdatedEvent(item_id=item.id, update=update)
        await asyncio.Event().wait()

    async def _note(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        """Changes the thread when it has replied."""
        async for event in super().respond(thread, None, context):
            yield event
        thread.metadata["noted"] = True

    async def _title(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        """Gives the thread a title, unless it has one, and replies then."""
        if thread.title is None:
            thread.title = "Given"
        async for event in super().respond(thread, None, context):
            yield event

    async def _buttons(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        yield ThreadItemDoneEvent(item=WidgetItem(**self.about(thread, context), widget=buttons()))

    async def _lock(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        thread.status = LockedStatus(reason="We are counting.")
        async for event in self._widget(thread, context):
            yield event

    async def _broken(self, thread: ThreadMetadata, context: ChatContext) -> AsyncIterator[Any]:
        async for event in self._widget(thread, context):
            yield event
        raise RuntimeError(SECRET)

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: ChatContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        card = Card(children=[Text(value=f"{action.type} {action.payload}", id="text")])
        if sender is None:
            yield ThreadItemDoneEvent(item=WidgetItem(**self.about(thread, context), widget=card))
        else:
            yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": card}))

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: ChatContext,
    ) -> SyncCustomActionResponse:
        return SyncCustomActionResponse(updated_item=sender)


class NamingStore(HansardStore):
    def generate_thread_id(self, context: ChatContext) -> str:
        return default_generate_id("thread")


class NamingKitchen(Kitchen):
    """Its threads have ids as ChatKit's package makes them."""

    def __init__(self, hansard: Hansard) -> None:
        super().__init__(hansard)
        self.store = NamingStore(hansard)
