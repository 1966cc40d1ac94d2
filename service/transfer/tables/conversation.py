"""The rows of one conversation as what happened in it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from domain.content import Limits
from domain.events import ConversationStarted, Event, Link, MessageAdded, SessionEnded
from service.store.names import as_id
from service.transfer.tables.mapping import BadMapping, MessagesTable
from service.transfer.tables.rows import SourceRow, is_item, loaded, message_of, metadata_of
from service.transfer.times import BEGINNING, time_of


class TableConversation(Struct):
    """What is known of one conversation so far."""

    user_id: str
    name: str | None
    """Its id there; None where a user has but one."""
    thread_id: str
    """The one that ChatKit knows it by."""
    known: MessagesTable
    zone: tzinfo
    limits: Limits
    head: SourceRow | None = None
    """Any of its rows: each says the same of the conversation."""
    empty: bool = False
    """Whether it has a row of its own, and no message."""
    is_thread: bool = False
    """Whether what was said in it was said in ChatKit."""
    messages: list[tuple[datetime | None, MessageAdded]] = []
    links: dict[Link, None] = {}

    def take(self, row: SourceRow) -> None:
        """Raises a refusal if the row cannot be taken; the others can all the same."""
        self.head = row
        for link in (
            *links_of(self.known.conversations.links, row.their_links),
            *links_of(self.known.links, row.links),
        ):
            self.links[link] = None
        if row.id is None:
            self.empty = True
            return
        self.is_thread = self.is_thread or is_item(loaded(row.payload))
        event = message_of(row, self.user_id, self.thread_id, self.known.roles, self.zone, self.limits)
        self.messages.append((time_of(row.time, self.zone), event))

    def events(self) -> Sequence[tuple[datetime, Event]]:
        """None, if there is nothing to tell. What has no time came after what stands before it."""
        if self.head is None or not (self.messages or self.empty):
            return ()
        began = self._began(self.head)
        started, ended = self._frame(self.head, began)
        events: list[tuple[datetime, Event]] = [(began, started)]
        for time, message in self.messages:
            events.append((time or events[-1][0], message))
        return [*events, *((time_of(self.head.ended, self.zone) or events[-1][0], each) for each in ended)]

    def _began(self, head: SourceRow) -> datetime:
        first = next((time for time, _ in self.messages if time), None)
        return time_of(head.began, self.zone) or first or BEGINNING

    def _frame(self, head: SourceRow, began: datetime) -> tuple[ConversationStarted, Sequence[Event]]:
        """That it was started, and that it ended if it did."""
        thread = loaded(head.thread)
        if isinstance(thread, dict):
            # Only here, for ChatKit's own classes take a second to load.
            from service.transfer.tables.chatkit import thread_from

            started, ended = thread_from(thread, self.thread_id, self.user_id, began, self.limits)
        else:
            over = head.ended is not None or (head.active is not None and not head.active)
            name = self.thread_id if self.is_thread and as_id(self.thread_id) is None else None
            started, ended = (
                ConversationStarted(metadata=metadata_of(head.about), name=name),
                [SessionEnded()] * over,
            )
        title = (head.title or started.title or "").strip()
        origin = {"from": f"{self.known.source}.{self.known.table}", "id": self.name}
        if len(title) > self.limits.title:
            origin["title"] = title
        whole = replace(
            started,
            title=title[: self.limits.title] or None,
            links=tuple(dict.fromkeys((*started.links, *self.links))),
            metadata=started.metadata | {"imported": {key: value for key, value in origin.items() if value}},
        )
        return whole, ended


def links_of(kinds: Mapping[str, str] | None, targets: Sequence[str | None]) -> list[Link]:
    return [Link(kind, target) for kind, target in zip(kinds or {}, targets, strict=True) if target]


def zone_of(known: MessagesTable) -> tzinfo:
    try:
        return ZoneInfo(known.zone)
    except (KeyError, ValueError, OSError):
        raise BadMapping(what=f"{known.zone!r} is no time zone, such as Europe/Berlin") from None
