"""Whose record a request may see: one's own, or as an auditor everybody's, what is erased of it too."""

from uuid import UUID

from msgspec import Struct

from domain.errors import ConversationNotFound
from service.api.asking.asking import Asking
from service.store.whereabouts import whereabouts


class Seen(Struct, frozen=True):
    shard: int
    user_id: str | None
    """None: it was somebody's who has been erased."""
    everything: bool
    """What only the server sees, too."""


async def seen(asking: Asking, conversation_id: UUID) -> Seen:
    """An auditor who names no user is asked for none: she finds what has no owner any more."""
    auditor = "audit" in asking.principal.scopes
    if auditor and asking.named is None:
        async with asking.hansard.pool.connection() as connection:
            found = await whereabouts(connection, asking.hansard.store.shards, conversation_id)
        if found is None:
            raise ConversationNotFound
        return Seen(found.shard, found.user_id, everything=True)
    caller = await asking.caller_for(conversation_id)
    await asking.conversation(caller, conversation_id)
    return Seen(asking.shard_of(caller), caller.user_id, auditor)
