"""After a restore: what was erased since the backup was made is erased once more.

The journal does not tell whose it was. So each user, conversation and link that the restored log knows is
tried against the digests of the journal's entries.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace
from psycopg import AsyncConnection

from domain.events import Link
from projections import conversations
from service.hansard import Hansard
from service.privacy import receipts
from service.privacy.lock import alone_with
from service.privacy.receipts import Receipt
from service.privacy.run import ReceiptRun
from service.privacy.wishes import ACTIONS, Wish, encode_wish
from service.store.repository import Caller

STARTED: Final = """
SELECT conversation_id, user_id FROM events
WHERE shard = %(shard)s AND version = 1 AND user_id IS NOT NULL"""


async def apply_again(hansard: Hansard, entries: Iterable[Receipt]) -> list[Receipt]:
    """The receipts keep their ids and tell what was erased this time; of what the backup never held they are
    put back as they were."""
    by_shard: defaultdict[int, list[Receipt]] = defaultdict(list)
    for entry in entries:
        by_shard[entry.shard].append(entry)
    everybodys = await links_of_all(hansard)
    done = []
    for shard, of_shard in sorted(by_shard.items()):
        subjects = {wish.subject: wish for wish in [*await wishes_of(hansard, shard), *everybodys]}
        for entry in of_shard:
            wish = next((wish for subject, wish in subjects.items() if entry.is_about(subject)), None)
            done.append(await apply_one(hansard, entry, wish))
    return done


async def apply_one(hansard: Hansard, entry: Receipt, wish: Wish | None) -> Receipt:
    async with hansard.erasing, alone_with(hansard.database, wish.subject if wish else entry.digest) as alone:
        known = await receipts.find(alone, hansard.store.shards, entry.id)
        if known is not None and known.wish is None:
            return known
        if known is None and wish is None:
            await receipts.add(alone, entry)
            return entry
        if known is None and wish is not None:
            known = replace(entry, wish=encode_wish(wish), counts={}, finished_at=None)
            await receipts.add(alone, known)
        if known is None:
            return entry
        caller = Caller((wish and wish.user_id) or "", entry.requested_by)
        return await ReceiptRun(hansard, alone, known, caller).to_the_end()


async def wishes_of(hansard: Hansard, shard: int) -> list[Wish]:
    """Whatever somebody may have wanted to be forgotten of what is in this shard."""
    async with hansard.pool.connection() as connection:
        started = await started_in(connection, shard)
    found = [Wish("user", action, user_id) for user_id in {each[1] for each in started} for action in ACTIONS]
    found += [
        Wish("conversation", action, user_id, conversation_id)
        for conversation_id, user_id in started
        for action in ACTIONS
    ]
    users = dict(started)
    links = await conversations.links_of(hansard.views["conversations"], shard, list(users))
    pairs = {(users[each], link) for each, linked in links.items() for link in linked}
    return [*found, *(Wish("link", user_id=user_id, link=link) for user_id, link in pairs)]


async def links_of_all(hansard: Hansard) -> list[Wish]:
    """For what was erased with everybody's conversations about it, in whichever shard its receipt lay."""
    links: set[Link] = set()
    for shard in range(hansard.store.shards):
        async with hansard.pool.connection() as connection:
            started = await started_in(connection, shard)
        view = hansard.views["conversations"]
        of_shard = await conversations.links_of(view, shard, [each[0] for each in started])
        links |= {link for linked in of_shard.values() for link in linked}
    return [Wish("link", link=link) for link in links]


async def started_in(connection: AsyncConnection[Any], shard: int) -> Sequence[tuple[Any, str]]:
    return await (await connection.execute(STARTED.encode(), {"shard": shard})).fetchall()
