"""What a write answers, made of the events that it stored: nothing has to be read back."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import UNSET

from domain.conversation import Conversation
from domain.events import ConversationStarted, MessageAdded
from domain.title import opening_of
from service.api.answering.paging import position_as_cursor
from service.api.answering.wire import ConversationBody, MessageBody, links, moment
from service.items.openai import item_of_added
from service.store.append import Appended
from service.store.facts import Fact
from service.store.repository import Caller, Changed


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
    opening = next(filter(None, map(opening_of, said)), None)
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
        started.name,
    )


def as_changed(state: Conversation, appended: Appended, caller: Caller) -> ConversationBody:
    """What the change made of it."""
    if state.started_at is None or state.last_activity_at is None:
        raise TypeError("a conversation that never began")
    return ConversationBody(
        state.id,
        state.user_id,
        state.opening if state.title is None else state.title,
        moment(state.started_at),
        moment(state.last_activity_at),
        state.ended,
        state.message_count,
        state.metadata,
        links(state.links),
        appended.version,
        position_as_cursor(caller.user_id, appended.position),
        state.name,
    )


def as_added(
    fact: Fact,
    added: MessageAdded,
    conversation_id: UUID,
    caller: Caller,
    tags: Sequence[str],
    position: str | None,
    as_item: bool = False,
) -> MessageBody:
    return MessageBody(
        added.message_id,
        conversation_id,
        caller.user_id,
        added.role,
        added.kind,
        added.content,
        moment(fact.recorded_at),
        added.is_fortune or "fortune" in tags,
        added.metadata,
        added.status,
        list(tags),
        fact.version,
        UNSET if added.in_reply_to is None else added.in_reply_to,
        position=UNSET if position is None else position,
        item=item_of_added(added) if as_item else UNSET,
    )
