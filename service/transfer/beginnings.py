"""How conversations that are imported stand here already: whose their ids are, and how they began.

What comes again may have been renamed since, or moved. That is no reason not to take what was said in it: it
goes on from the beginning that was imported.
"""

from typing import Any
from uuid import UUID

from msgspec.structs import replace
from psycopg import Connection

from domain.events import ConversationStarted
from service.store.store import shard_of
from service.transfer.incoming import Incoming, Skipped
from service.transfer.standing import events_at


class Beginnings:
    def __init__(self, connection: Connection[Any], shards: int) -> None:
        self._connection = connection
        self._shards = shards

    def is_anothers(self, conversation_id: UUID, user_id: str) -> bool:
        """Ids are to find one conversation only, though the log could tell two apart by their shards."""
        own = shard_of(user_id, self._shards)
        places = [(shard, conversation_id, 1) for shard in range(self._shards)]
        return any(
            each.shard != own or each.user_id not in (user_id, None)
            for each in events_at(self._connection, places)
        )

    def going_on(self, incoming: Incoming | Skipped) -> Incoming | Skipped:
        if isinstance(incoming, Skipped):
            return incoming
        place = (shard_of(incoming.user_id, self._shards), incoming.conversation_id, 1)
        for began in events_at(self._connection, [place]):
            if began.user_id == incoming.user_id and isinstance(began.event, ConversationStarted):
                return replace(incoming, events=[(began.recorded_at, began.event), *incoming.events[1:]])
        return incoming
