"""What a write answers, made of the events that it stored: nothing has to be read back."""

from collections.abc import Callable, Sequence
from uuid import UUID

from msgspec import UNSET

from domain.events import ConversationStarted, MessageAdded
from projections import conversations
from service.api.answering.paging import position_as_cursor
from service.api.answering.wire import ConversationBody, MessageBody, links, moment
from service.store.facts import Fact
from service.store.repository import Caller, Changed

Tags = Callable[[str], list[str]]


def version_of(changed: Changed) -> int:
    """The conversation's, after a write that may have changed nothing."""
    if changed.appended is not None:
        return changed.appended.version
    return changed.conversation.version if changed.conversation is not None else 0


def as_started(
    facts: Sequence[Fact], caller: Caller, conversation_id: UUID, position: str
) -> ConversationBody:
    """Of all the events that started it."""
    said = [fact.event for fact in facts if isinstance(fact.event, MessageAdded)]
    (started,) = [fact.event for fact in facts if isinstance(fact.event, ConversationStarted)]
    opening = next(filter(None, map(conversations.opening_of, said)), None)
    at = moment(facts[0].recorded_at)
    return ConversationBody(
        conversation_id,
        caller.user_id,
        opening if started.title is None else started.title,
        at,
        at,
        False,
        len(said),
        started.metadata,
        links(started.links),
        facts[-1].version,
        position,
    )


def as_changed(row: conversations.ListedConversation, changed: Changed, caller: Caller) -> ConversationBody:
    """What the change made of it; the row knows what no change touches."""
    state, appended = changed.conversation, changed.appended
    if state is None:
        raise TypeError("a change of no conversation")
    return ConversationBody(
        row.conversation_id,
        row.user_id,
        row.title if state.title is None else state.title,
        moment(row.started_at),
        moment(row.last_activity_at),
        state.ended,
        state.message_count,
        state.metadata,
        links(state.links),
        version_of(changed),
        position_as_cursor(caller.user_id, appended.position if appended else row.last_position),
    )


def as_added(
    fact: Fact, added: MessageAdded, conversation_id: UUID, caller: Caller, tags: Tags, position: str | None
) -> MessageBody:
    found = tags(added.content)
    return MessageBody(
        added.message_id,
        conversation_id,
        caller.user_id,
        added.role,
        added.kind,
        added.content,
        moment(fact.recorded_at),
        added.is_fortune or "fortune" in found,
        added.metadata,
        added.status,
        found,
        fact.version,
        UNSET if added.in_reply_to is None else added.in_reply_to,
        position=UNSET if position is None else position,
    )
