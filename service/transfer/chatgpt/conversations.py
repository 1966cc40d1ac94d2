"""ChatGPT's data export, in its present and older shapes, as conversations of one user."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec

from domain.content import LIMITS, Limits
from domain.errors import Refusal
from domain.events import ConversationStarted, Event, Link, MessageAdded
from service.transfer.chatgpt.archive import Part
from service.transfer.chatgpt.messages import added, read_message
from service.transfer.chatgpt.order import Head, LeftAside, oldest_first
from service.transfer.chatgpt.tree import Node, shown_branch
from service.transfer.incoming import Incoming, Skipped
from service.transfer.times import BEGINNING, time_of

CONVERSATIONS: Final = UUID("5d6c0a3e-6c1f-4e0b-9a53-3f7b8f0c2a11")
"""The name space of the ids that conversations get which bring none that can be kept."""
PROJECT: Final = "g-p-"

UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LONGEST_NAME: Final = 100

Timed = tuple[datetime | None, MessageAdded]
"""A message, and its time where it has one."""


class Exported(Head, frozen=True):
    """What is read of a conversation; all of it may be missing."""

    mapping: dict[str, Node] | None = None
    title: str | None = None
    current_node: str | None = None
    default_model_slug: str | None = None
    is_archived: bool | None = None
    gizmo_id: str | None = None
    conversation_template_id: str | None = None


def conversations(
    parts: Sequence[Part], user_id: str, limits: Limits = LIMITS
) -> Iterator[Incoming | Skipped]:
    """The least recently active first."""
    for each in oldest_first(parts):
        if isinstance(each, Skipped):
            yield each
            continue
        try:
            reading = ExportReading(decoded(each.raw), user_id, each.where, limits)
        except NotAConversation as broken:
            yield Skipped(each.where, "an entry", str(broken))
            continue
        if incoming := reading.incoming():
            yield incoming
        yield from reading.skipped


class NotAConversation(Exception):
    """The text says why."""


def decoded(raw: bytes) -> Exported:
    try:
        exported = msgspec.json.decode(raw, type=Exported)
    except msgspec.ValidationError as broken:
        raise NotAConversation(f"it is not a conversation: {broken}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        exported = decoded_with_care(raw)
    if exported.mapping is None:
        raise NotAConversation("it is not a conversation: it has no `mapping` of messages")
    return exported


def decoded_with_care(raw: bytes) -> Exported:
    """Half of a surrogate pair makes only the message unfit that it is in."""
    try:
        return msgspec.convert(json.loads(raw), Exported)
    except (ValueError, RecursionError) as broken:
        raise NotAConversation(f"it cannot be read: {broken}") from None


class ExportReading:
    """Of one conversation."""

    def __init__(self, exported: Exported, user_id: str, where: str, limits: Limits) -> None:
        self._exported = exported
        self._mapping = exported.mapping or {}
        self._branch = shown_branch(self._mapping, exported.current_node)
        self._user_id = user_id
        self._where = where
        self._limits = limits
        self._ids: set[str] = set()
        self.skipped: list[Skipped] = []

    def incoming(self) -> Incoming | None:
        messages = self._messages()
        if not messages:
            if not self.skipped:
                self.skipped.append(LeftAside(self._where, "a conversation", "nothing was said in it"))
            return None
        if self._branch.others:
            what = f"{self._branch.messages_elsewhere:,} messages on {self._branch.others:,} other branches"
            why = "of a conversation only the branch that was shown last is imported"
            self.skipped.append(LeftAside(self._where, what, why))
        started_at = self._started_at(messages)
        events: list[tuple[datetime, Event]] = [(started_at, self._started())]
        for time, message in messages:
            # What has no time came after what stands before it.
            events.append((time or events[-1][0], message))
        conversation_id = id_of(self._user_id, self._name(messages))
        return Incoming(self._user_id, conversation_id, events, where=self._where)

    def _messages(self) -> list[Timed]:
        return [timed for node in self._branch.nodes if (timed := self._message(node))]

    def _message(self, node: str) -> Timed | None:
        original = self._mapping[node].message
        if original is None:
            return None
        try:
            message = read_message(original)
            event, left_out = added(message, self._message_id(message.id, node), original, self._limits)
        except (msgspec.ValidationError, Refusal) as unfit:
            self._skip(f"message {shortened(node)}", str(unfit))
            return None
        if left_out:
            self._skip(f"the original of message {shortened(node)}", f"its words are imported: {left_out}")
        return (time_of(message.create_time), event) if event else None

    def _message_id(self, given: str | None, node: str) -> str:
        message_id = given if given and given not in self._ids else node
        self._ids.add(message_id)
        return message_id

    def _started_at(self, messages: Sequence[Timed]) -> datetime:
        known = (time for time, _ in messages if time)
        updated = time_of(self._exported.update_time)
        return time_of(self._exported.create_time) or next(known, None) or updated or BEGINNING

    def _started(self) -> ConversationStarted:
        exported, longest = self._exported, self._limits.title
        title = (exported.title or "").replace("\0", "").strip()
        origin = {
            "id": exported.name,
            "title": title if len(title) > longest else None,
            "model": exported.default_model_slug,
            "archived": exported.is_archived,
            "other_branches": self._branch.others,
            "messages_elsewhere": self._branch.messages_elsewhere,
        }
        return ConversationStarted(
            title=title[:longest] or None,
            links=links_of(exported),
            metadata={"chatgpt": {name: value for name, value in origin.items() if value}},
        )

    def _name(self, messages: Sequence[Timed]) -> str:
        """The oldest exports name no conversation; its first message does, however much it grows."""
        return self._exported.name or messages[0][1].message_id

    def _skip(self, what: str, why: str) -> None:
        self.skipped.append(Skipped(self._where, what, why))


def links_of(exported: Exported) -> tuple[Link, ...]:
    """To the project, or the GPT, that it was held in."""
    gizmo = exported.gizmo_id or exported.conversation_template_id
    return (Link("project" if gizmo.startswith(PROJECT) else "gpt", gizmo),) if gizmo else ()


def id_of(user_id: str, name: str) -> UUID:
    """As it was, if it is a UUID."""
    if UUID_TEXT.fullmatch(name):
        return UUID(name)
    return uuid5(CONVERSATIONS, f"{user_id}\0{name}")


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
