"""Whether names lead where the log says: nobody may be led to another conversation than the one that was
started by that name, and no name may be lost."""

from collections.abc import Iterable
from typing import Any, Final

from psycopg import Connection, errors, sql

from domain.errors import EventUnreadable
from domain.events import ConversationStarted
from projections.conversations import CONVERSATIONS
from service.store.codec import decode
from service.verify.faults import MOST_LISTED, Fault, Faults

NAMED: Final = """
SELECT n.conversation_id, n.user_id, n.name, e.user_id, e.topic, e.state FROM names AS n
LEFT JOIN events AS e ON e.shard = n.shard AND e.shard = %(shard)s
    AND e.conversation_id = n.conversation_id AND e.version = 1
WHERE n.shard = %(shard)s AND (e.version IS NULL OR e.person_salt IS NOT NULL)
ORDER BY n.conversation_id, n.name"""
"""Not of what is just being erased or anonymised: there the name goes last."""
LOST: Final = """
SELECT c.conversation_id FROM {conversations} AS c
WHERE c.shard = %(shard)s AND c.name IS NOT NULL AND NOT EXISTS (
    SELECT FROM names AS n
    WHERE n.shard = c.shard AND n.shard = %(shard)s AND n.user_id = c.user_id AND n.name = c.name
        AND n.conversation_id = c.conversation_id)
ORDER BY 1 LIMIT %(limit)s"""


def check_names(connection: Connection[Any], shard: int, generations: Iterable[int], faults: Faults) -> None:
    """Which names there are to be is told by the live builds of conversations, which are proved elsewhere."""
    with connection.cursor("names") as cursor:
        cursor.execute(NAMED, {"shard": shard})
        for conversation_id, *named, user_id, topic, state in cursor:
            if named != [user_id, name_in(topic, state)]:
                faults.add(Fault("a name leads to it by which it was not started", shard, conversation_id, 1))
    for generation in generations:
        lost = sql.SQL(LOST).format(conversations=CONVERSATIONS.physical(generation))
        try:
            with connection.transaction():
                rows = connection.execute(lost, {"shard": shard, "limit": MOST_LISTED}).fetchall()
        except (errors.UndefinedTable, errors.UndefinedColumn):
            continue  # a replay has just dropped it, or it is of a version that knew no names
        for (conversation_id,) in rows:
            faults.add(Fault("the name by which it was started leads nowhere", shard, conversation_id, 1))


def name_in(topic: str | None, state: bytes | None) -> str | None:
    try:
        event = None if topic is None else decode(topic, state)
    except EventUnreadable:
        return None
    return event.name if isinstance(event, ConversationStarted) else None
