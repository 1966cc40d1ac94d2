"""How conversations that are imported stand here already: whose their ids are, and how they began.

What comes again may have been renamed since, or moved. That is no reason not to take what was said in it: it
goes on from the beginning that was imported.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from msgspec.structs import replace
from psycopg import Connection

from domain.events import ConversationStarted
from domain.recorded import Recorded
from service.store.store import shard_of
from service.transfer.incoming import Incoming, Skipped
from service.transfer.standing import events_at

AT_ONCE: Final = 200
"""Conversations that are looked up together, and fewer if they are long."""
EVENTS_AT_ONCE: Final = 4_000

Told = Incoming | Skipped


def own_id(conversation_id: UUID, user_id: str) -> UUID:
    """For what has another user's id: the same each time that this user imports it."""
    return uuid5(conversation_id, user_id)


class Beginnings:
    def __init__(self, connection: Connection[Any], shards: int) -> None:
        self._connection = connection
        self._shards = shards

    def found(self, told: Iterable[Told]) -> Iterator[Told]:
        """The same in the same order, each with an id that is nobody else's, and as it began here."""
        for batch in batches(told):
            settled = self._with_own_ids([each for each in batch if isinstance(each, Incoming)])
            going_on = iter(self._going_on(settled))
            for each in batch:
                yield next(going_on) if isinstance(each, Incoming) else each

    def _with_own_ids(self, arriving: Sequence[Incoming]) -> list[Incoming]:
        """Ids are to find one conversation only, though the log could tell two apart by their shards."""
        places = [(shard, each.conversation_id, 1) for each in arriving for shard in range(self._shards)]
        here: dict[UUID, list[Recorded]] = defaultdict(list)
        for began in events_at(self._connection, places) if places else ():
            here[began.conversation_id].append(began)
        return [
            replace(each, conversation_id=own_id(each.conversation_id, each.user_id))
            if any(self._is_anothers(began, each) for began in here[each.conversation_id])
            else each
            for each in arriving
        ]

    def _is_anothers(self, began: Recorded, incoming: Incoming) -> bool:
        """What was erased is nobody's; in this user's shard it was hers."""
        own = shard_of(incoming.user_id, self._shards)
        return began.shard != own or began.user_id not in (incoming.user_id, None)

    def _going_on(self, arriving: Sequence[Incoming]) -> list[Incoming]:
        places = [(shard_of(each.user_id, self._shards), each.conversation_id, 1) for each in arriving]
        here = {
            (began.user_id, began.conversation_id): (began.recorded_at, began.event)
            for began in (events_at(self._connection, places) if places else ())
            if isinstance(began.event, ConversationStarted)
        }
        return [
            replace(each, events=[beginning, *each.events[1:]])
            if (beginning := here.get((each.user_id, each.conversation_id)))
            else each
            for each in arriving
        ]


def batches(told: Iterable[Told]) -> Iterator[list[Told]]:
    batch: list[Told] = []
    events = 0
    for each in told:
        batch.append(each)
        events += len(each.events) if isinstance(each, Incoming) else 0
        if len(batch) >= AT_ONCE or events >= EVENTS_AT_ONCE:
            yield batch
            batch, events = [], 0
    if batch:
        yield batch
