"""Whose record a request may see: one's own, or as an auditor everybody's, what is erased of it too."""

from uuid import UUID

from msgspec import Struct

from domain.errors import ConversationNotFound
from service.api.asking.asking import Asking
from service.store.names import in_any_spelling
from service.store.whereabouts import whereabouts


class Seen(Struct, frozen=True):
    conversation_id: UUID
    shard: int
    user_id: str | None
    """None: it was somebody's who has been erased."""
    everything: bool
    """What only the server sees, too."""


async def seen(asking: Asking, conversation: str) -> Seen:
    """An auditor who names no user is asked for none: she finds what has no owner any more."""
    auditor = "audit" in asking.principal.scopes
    known = in_any_spelling(conversation)
    if auditor and asking.named is None and known is not None:
        async with asking.hansard.pool.connection() as connection:
            found = await whereabouts(connection, asking.hansard.reach, known)
        if found is None:
            raise ConversationNotFound
        return Seen(known, found.shard, found.user_id, everything=True)
    reached = await asking.reach(conversation)
    caller = reached.caller
    await asking.conversation(caller, reached.id)
    return Seen(reached.id, asking.shard_of(caller), caller.user_id, auditor)
