"""Adds items to a conversation and removes them, and tells what came of that."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain import conversation as decisions
from domain.content import LIMITS, check_name
from domain.conversation import Conversation
from domain.errors import MessageNotFound
from domain.events import Event, MessageAdded
from domain.message import WITH_ITEMS, Message
from service import commands
from service.api.asking.asking import Reached, Writing
from service.items import openai
from service.items.adding import Settled, as_added, ids_about, settled, to_add, under_another_id
from service.items.checking import own_id
from service.items.openai import item_of_added, message_ids_for
from service.store.ids import new_id
from service.store.repository import Changed

Item = dict[str, Any]


def wishes_of(given: Sequence[Item]) -> list[MessageAdded]:
    return [openai.as_added(item, new_id, f"items[{at}]") for at, item in enumerate(given)]


async def add(
    writing: Writing, reached: Reached, given: Sequence[Item], as_given: bool = False
) -> tuple[Changed, list[Item]]:
    """All of them or none, and how each of them reads now. As given, the ids in them mean nothing here."""
    wishes, limits = wishes_of(given), writing.hansard.repository.limits
    chosen = [wish for wish, item in zip(wishes, given, strict=True) if own_id(item) is not None]
    if as_given:
        wishes, chosen = [under_another_id(wish, new_id) for wish in wishes], []
    decided: list[Settled] = []

    def decide(conversation: Conversation, messages: Mapping[str, Message]) -> Sequence[Event]:
        decided[:] = settled(wishes, messages, new_id)
        return decisions.add_messages(conversation, to_add(decided), messages, limits)

    changed = await commands.change_messages(
        writing.hansard.repository,
        reached.caller,
        reached.id,
        ids_about(chosen),
        decide,
        writing.terms(reached.caller),
    )
    if changed.appended is None or not changed.appended.repeated:
        return changed, [item_of_added(each.added) for each in decided]
    return changed, await added_before(writing, reached, changed, wishes, chosen)


async def added_before(
    writing: Writing,
    reached: Reached,
    changed: Changed,
    wishes: Sequence[MessageAdded],
    chosen: Sequence[MessageAdded],
) -> list[Item]:
    """When it was carried out before: under the ids that were made then."""
    facts = await writing.facts(reached.caller, changed)
    stored = {fact.event.message_id: fact.event for fact in facts if isinstance(fact.event, MessageAdded)}
    own = {wish.message_id for wish in chosen}
    made = iter([added for message_id, added in stored.items() if message_id not in own])
    shard, repository = writing.shard_of(reached.caller), writing.hansard.repository
    known = await repository.messages(shard, reached.id, ids_about(chosen))
    there = {message_id: as_added(message) for message_id, message in known.items() if not message.removed}
    found = [message_among(there | stored, wish) if wish.message_id in own else None for wish in wishes]
    return [item_of_added(each or next(made, wish)) for each, wish in zip(found, wishes, strict=True)]


def message_among(messages: Mapping[str, MessageAdded], wish: MessageAdded) -> MessageAdded | None:
    found = (messages.get(each) for each in message_ids_for(wish.message_id))
    return next((each for each in found if each is not None), None)


async def remove(writing: Writing, reached: Reached, item_id: str) -> Changed:
    """Only what can be read here."""
    check_name("item_id", item_id, LIMITS.message_id)

    def decide(conversation: Conversation, messages: Mapping[str, Message]) -> Sequence[Event]:
        for message in messages.values():
            if message.kind in WITH_ITEMS and not message.removed:
                return decisions.remove_message(conversation, message, message.id)
        raise MessageNotFound(message_id=item_id)

    return await commands.change_messages(
        writing.hansard.repository,
        reached.caller,
        reached.id,
        message_ids_for(item_id),
        decide,
        writing.terms(reached.caller),
    )
