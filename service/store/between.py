"""What came between a decision and its place in the log, and whether the decision is another for it.

A message depends on nothing of its conversation but that it takes messages, and on what became of the same
message. Whatever else others have stored in the meantime, its events are put behind it.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from projections.rows.arrays import Array
from projections.rows.exchange import StatementExchange
from service.store.append import Append, Key
from service.store.codec import topics
from service.store.look import columns

CLOSING: Final = topics("session_ended", "session_reopened", "conversation_anonymised", "conversation_erased")

CAME_BETWEEN: Final = b"""
SELECT given.shard, given.conversation_id, found.version, found.topic, found.message_id
FROM unnest(%(shards)b::smallint[], %(conversations)b::uuid[], %(versions)b::bigint[])
    AS given (shard, conversation_id, since)
CROSS JOIN LATERAL (
    SELECT e.version, e.topic, e.message_id FROM events AS e
    WHERE e.shard = given.shard AND e.shard = ANY(%(shards)b::smallint[])
        AND e.conversation_id = given.conversation_id AND e.version > given.since
        AND (e.topic = ANY(%(closing)b::text[]) OR e.message_id = ANY(%(messages)b::text[]))
    ORDER BY e.version
) AS found"""
"""In their order, by the one index that has it: plans are kept, and any other looked good in a small log."""


class Between(Struct):
    """Of one conversation: what may disturb one of the appends that wait for their places."""

    since: int
    found: list[tuple[int, str, str | None]] = []
    """Version, topic and message of each."""

    def disturbs(self, append: Append) -> bool:
        if append.free_since is None or append.free_since < self.since:
            return True
        messages = {each.message_id for each in append.events} - {None}
        return any(
            version > append.free_since and (topic in CLOSING or message in messages)
            for version, topic, message in self.found
        )


def came_between(exchange: StatementExchange, batch: Iterable[Append], until: float) -> dict[Key, Between]:
    """Read under the lane's lock, for the appends whose places are not those that they were decided for."""
    free = [append for append in batch if append.free_since is not None]
    between: dict[Key, Between] = {}
    for append in free:
        key, since = (append.shard, append.conversation_id), append.free_since or 0
        between[key] = Between(min(since, between[key].since) if key in between else since)
    messages = [stored.message_id for append in free for stored in append.events]
    given = columns(
        ("shards", "conversations", "versions"), [(*key, each.since) for key, each in between.items()]
    )
    asked = {"closing": Array("text", CLOSING).data, "messages": Array("text", messages).data}
    exchange.send(CAME_BETWEEN, given | asked)
    exchange.end_round()
    (result,) = exchange.receive(until)
    for shard, conversation_id, *found in exchange.rows(result):
        between[shard, conversation_id].found.append(tuple(found))
    return between
