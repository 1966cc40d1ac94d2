"""Erasing: a conversation's last event says that it was erased; nothing that is read shows it any more."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID, uuid5

from msgspec import Struct

from domain import conversation as decisions
from domain.conversation import Conversation
from domain.errors import ConversationNotFound
from domain.events import Event, Link
from projections import conversations
from service.commands import change_conversation
from service.hansard import Hansard
from service.store.append import Command
from service.store.repository import Caller, Changed

REASON: Final = "the user asked for it"
AT_ONCE: Final = 16
"""Conversations that are erased side by side: enough to share commits, and no more than would keep readers
from their connections."""
PAGE: Final = 500


class Erased(Struct, frozen=True):
    conversations: int = 0
    messages: int = 0
    position: int = 0
    """Of the last event; they are all in one shard, unless they were several users'."""

    def __add__(self, changed: Changed) -> "Erased":
        if changed.appended is None:
            return self
        return Erased(
            self.conversations + 1,
            self.messages + messages_of(changed),
            max(self.position, changed.appended.position),
        )


async def erase(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    *,
    expected: int | None = None,
    command: Command | None = None,
) -> Changed:
    """What was erased before is answered as if it had never been."""

    def decide(known: Conversation) -> Sequence[Event]:
        if known.erased:
            raise ConversationNotFound
        return erasure(hansard, caller, known)

    return await erased_as(hansard, caller, conversation_id, decide, expected, command)


async def erase_all(
    hansard: Hansard, caller: Caller, link: Link | None = None, command: Command | None = None
) -> Erased:
    """Everything that a user has said, or all of her conversations with this link; whatever is started
    meanwhile too. Cut off in the middle, it can be asked for again."""
    view, shard = hansard.views["conversations"], hansard.store.shard_of(caller.user_id)
    erased = Erased()
    while found := await conversations.page(view, shard, caller.user_id, PAGE, link=link):
        before = erased
        for changed in await side_by_side(hansard, caller, [row.conversation_id for row in found], command):
            erased += changed
        if erased == before:
            break
    return erased


async def erase_everybodys(
    hansard: Hansard, caller: Caller, link: Link, command: Command | None = None
) -> Erased:
    """All conversations with this link, whoever's they are; the caller only says who acts."""
    erased = Erased()
    view = hansard.views["conversations"]
    for shard in range(hansard.store.shards):
        for row in await conversations.with_link(view, shard, link):
            if row.user_id is not None:
                owner = Caller(row.user_id, caller.actor, caller.request_id)
                for changed in await side_by_side(hansard, owner, [row.conversation_id], command):
                    erased += changed
    return erased


async def side_by_side(
    hansard: Hansard, caller: Caller, conversation_ids: Sequence[UUID], command: Command | None
) -> list[Changed]:
    async def one(conversation_id: UUID) -> Changed:
        part = Command(uuid5(command.id, str(conversation_id)), command.digest) if command else None
        return await erased_as(
            hansard, caller, conversation_id, lambda known: erasure(hansard, caller, known), None, part
        )

    done: list[Changed] = []
    for at in range(0, len(conversation_ids), AT_ONCE):
        done += await asyncio.gather(*map(one, conversation_ids[at : at + AT_ONCE]))
    return done


async def erased_as(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    decide: Callable[[Conversation], Sequence[Event]],
    expected: int | None,
    command: Command | None,
) -> Changed:
    """A reply that is running goes with its conversation."""
    changed = await change_conversation(
        hansard.repository, caller, conversation_id, decide, expected=expected, command=command
    )
    await hansard.replies.forget(hansard.store.shard_of(caller.user_id), conversation_id)
    return changed


def erasure(hansard: Hansard, caller: Caller, known: Conversation) -> Sequence[Event]:
    by_whom = caller.actor or caller.user_id
    return decisions.erase(known, by_whom, REASON, limits=hansard.repository.limits)


def messages_of(changed: Changed) -> int:
    """A conversation that was erased still knows how many messages it had."""
    return changed.conversation.message_count if changed.conversation else 0
