"""Anonymising, as it is asked for: one conversation, or all of a user's, each under a pseudonym of its own,
so that they do not tell of each other."""

from typing import Final
from uuid import UUID

from service.hansard import Hansard
from service.privacy.receipts import Receipt
from service.privacy.run import Demand, carry_out
from service.privacy.wishes import Wish
from service.store.append import CommandKey
from service.store.repository import Caller

REASON: Final = "the user asked for it"


async def anonymise(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    *,
    expected: int | None = None,
    command: CommandKey | None = None,
    reason: str = REASON,
) -> Receipt:
    """From then on it is the pseudonym's: to the user it is as if it had never been."""
    wish = Wish("conversation", "anonymise", caller.user_id, conversation_id, expected=expected)
    return await carry_out(hansard, wish, Demand(caller, reason, command))


async def anonymise_all(
    hansard: Hansard, caller: Caller, *, command: CommandKey | None = None, reason: str = REASON
) -> Receipt:
    wish = Wish("user", "anonymise", caller.user_id)
    return await carry_out(hansard, wish, Demand(caller, reason, command))
