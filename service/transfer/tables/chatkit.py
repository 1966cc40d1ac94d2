"""ChatKit's items and threads as they lie in a table: whole, as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from chatkit.types import ThreadMetadata

from domain.content import Limits
from domain.events import ConversationStarted, Event, MessageAdded
from service.chatkit.items import as_added, naive, restored
from service.chatkit.threads import begun, fields_of
from service.transfer.incoming import Unfit
from service.transfer.times import BEGINNING


def message_from(
    item: dict[str, Any], message_id: str, thread_id: str, time: datetime | None
) -> MessageAdded:
    own = {"id": message_id, "created_at": naive(time or BEGINNING)}
    try:
        return as_added(thread_id, restored(own | item | {"thread_id": thread_id}))
    except (ValueError, TypeError) as unfit:
        raise Unfit(what=f"it is no item of ChatKit: {first_line(unfit)}") from None


def thread_from(
    thread: dict[str, Any], thread_id: str, user_id: str, time: datetime, limits: Limits
) -> tuple[ConversationStarted, Sequence[Event]]:
    """That it was started, and that it ended if it did."""
    own = {"created_at": naive(time)}
    try:
        fields = fields_of(ThreadMetadata.model_validate(own | without_items(thread) | {"id": thread_id}))
    except (ValueError, TypeError) as unfit:
        raise Unfit(what=f"it is no thread of ChatKit: {first_line(unfit)}") from None
    started, *ended = begun(fields, user_id, None, limits)
    return cast(ConversationStarted, started), ended


def without_items(thread: dict[str, Any]) -> dict[str, Any]:
    """A whole thread has a page of its items with it; they have rows of their own."""
    return {name: value for name, value in thread.items() if name != "items"}


def first_line(error: Exception) -> str:
    return " ".join(str(error).splitlines()[:3])
