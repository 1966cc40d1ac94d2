"""The names that a user's own application gives to conversations, and which conversation each of them means.

A row is written in the transaction that starts its conversation, and goes with what erasing or anonymising
leaves of it. So nothing tells afterwards what the name was, also not whoever guesses it.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from domain.content import LIMITS, check_name
from projections.reading.prepared import Statement
from projections.reading.view import Fetch
from projections.rows.apply import Execute, Write
from projections.rows.arrays import Array
from service.store.append import Name

NAME: Final = b"""
INSERT INTO names (shard, user_id, name, conversation_id)
SELECT l.shard, given.user_id, given.name, given.conversation_id
FROM lanes AS l
JOIN unnest(%b::smallint[], %b::text[], %b::text[], %b::uuid[])
    AS given (shard, user_id, name, conversation_id) ON given.shard = l.shard
WHERE l.shard = ANY(%b::smallint[])"""
NAMED: Final = Statement("""
SELECT conversation_id FROM names
WHERE shard = %(shard)s AND user_id = %(user_id)s AND name = %(name)s""")

OF_ANYBODY: Final = """
SELECT conversation_id FROM names
WHERE name = %(name)s ORDER BY 1"""


def naming(names: Mapping[Name, UUID]) -> Write:
    """Under the lane's lock, after it was seen that they are free."""
    shards, users, texts = zip(*names, strict=True)
    of_shards = Array("smallint", shards)
    given = [Array("text", users), Array("text", texts), Array("uuid", list(names.values()))]
    return Execute(NAME, [of_shards, *given, of_shards])


def as_id(text: str) -> UUID | None:
    """Where it is written as ids are; any other text is a name."""
    found = in_any_spelling(text)
    return found if str(found) == text else None


def in_any_spelling(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def all_named(connection: Connection[Any], name: str) -> list[UUID]:
    """Whoever's they are. Nothing finds a name alone quickly: this is for who runs it."""
    check_name("conversation", name, LIMITS.name)
    return [found for (found,) in connection.execute(OF_ANYBODY, {"name": name})]


class Names:
    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def find(self, shard: int, user_id: str, name: str) -> UUID | None:
        """The user's conversation of this name."""
        check_name("conversation", name, LIMITS.name)
        found = await self._fetch(NAMED, {"shard": shard, "user_id": user_id, "name": name})
        return found[0][0] if found else None
