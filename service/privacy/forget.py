"""Erasing, as it is asked for: one conversation, all of a user's, all that are linked to something."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.errors import ConversationNotFound
from domain.events import Link
from service.commands import ANY, Terms
from service.hansard import Hansard
from service.privacy import receipts
from service.privacy.receipts import Receipt
from service.privacy.run import Demand, carry_out
from service.privacy.wishes import Wish
from service.store.append import CommandKey
from service.store.log import stored_command
from service.store.repository import Caller
from service.store.whereabouts import whereabouts

REASON: Final = "the user asked for it"


class Erased(Struct, frozen=True):
    """What an erasure came to, now or when it was first asked for."""

    receipt: Receipt

    @property
    def conversations(self) -> int:
        return self.receipt.counts.get("conversations", 0)

    @property
    def messages(self) -> int:
        return self.receipt.counts.get("messages", 0)

    @property
    def version(self) -> int:
        """Of the conversation, where it is one."""
        return self.receipt.version or 0

    @property
    def position(self) -> int:
        """Of the last event; they are all in one shard, unless they were several users'."""
        return self.receipt.position or 0


async def erase(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    *,
    terms: Terms = ANY,
    reason: str = REASON,
) -> Erased:
    """What was erased before is answered as if it had never been, unless the command is the same."""
    wish = Wish("conversation", "erase", caller.user_id, conversation_id, expected=terms.expected)
    receipt = await carry_out(hansard, wish, Demand(caller, reason, terms.command))
    if receipt.version is None:
        raise ConversationNotFound  # somebody else has erased it just now
    return Erased(receipt)


async def erased_before(hansard: Hansard, conversation_id: UUID, command_digest: bytes) -> Erased | None:
    """What this very request came to; another one, or one without a key, has come to nothing."""
    async with hansard.pool.connection() as connection:
        place = await whereabouts(connection, hansard.reach, conversation_id)
        if place is None or not command_digest:
            return None
        wish = Wish("conversation", conversation_id=conversation_id)
        receipt = await receipts.latest_of(connection, place.shard, wish)
    if receipt is None or receipt.wish is not None or receipt.command_digest != command_digest:
        return None
    return Erased(receipt)


async def erased_by(hansard: Hansard, caller: Caller, command: CommandKey) -> UUID | None:
    """The conversation that this very command has erased, whatever it was called."""
    async with hansard.pool.connection() as connection:
        stored = await stored_command(connection, hansard.store.shard_of(caller.user_id), command.id)
    return stored.conversation_id if stored is not None and stored.digest == command.digest else None


async def erase_all(
    hansard: Hansard,
    caller: Caller,
    link: Link | None = None,
    command: CommandKey | None = None,
    reason: str = REASON,
) -> Erased:
    """Everything that a user has said, or all of her conversations with this link; whatever is started
    meanwhile too. Asked for again, it answers the same, unless there is something new."""
    wish = Wish("link" if link else "user", user_id=caller.user_id, link=link)
    return Erased(await carry_out(hansard, wish, Demand(caller, reason, command)))


async def erase_everybodys(
    hansard: Hansard, caller: Caller, link: Link, command: CommandKey | None = None, reason: str = REASON
) -> Erased:
    """All conversations with this link, whoever's they are; the caller only says who acts."""
    return Erased(await carry_out(hansard, Wish("link", link=link), Demand(caller, reason, command)))


async def anonymise(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    *,
    terms: Terms = ANY,
    reason: str = REASON,
) -> Receipt:
    """From then on it is the pseudonym's: to the user it is as if it had never been."""
    wish = Wish("conversation", "anonymise", caller.user_id, conversation_id, expected=terms.expected)
    return await carry_out(hansard, wish, Demand(caller, reason, terms.command))


async def anonymise_all(
    hansard: Hansard, caller: Caller, *, command: CommandKey | None = None, reason: str = REASON
) -> Receipt:
    wish = Wish("user", "anonymise", caller.user_id)
    return await carry_out(hansard, wish, Demand(caller, reason, command))
