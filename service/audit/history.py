"""The events of one conversation, each with what it found and what it left.

What stood before a page is not carried from page to page: it is looked up, and only what the page's events
are about. A page of nothing but new messages needs nothing; a page with a new title needs the events about
the conversation itself, which are few; a page that revises messages needs the last of each kind of their
own. So a page of the fiftieth thousand costs what the first one does.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.events import (
    ConversationStarted,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    ReplyFailed,
)
from domain.recorded import Foreign, Recorded, Redacted, Unreadable
from service.audit.before_and_after import Part, PastState, taken
from service.audit.words import Redaction, in_words
from service.store.past import Past, Pool, emptied

STANDS_ALONE: Final = (
    ConversationStarted,
    MessageAdded,
    MessageRevised,
    MessageRated,
    MessageRemoved,
    ReplyFailed,
    Redacted,
    Foreign,
    Unreadable,
)
"""What says nothing of how the conversation itself was changed."""
NOT_SHOWN: Final = "The application noted something that only the service sees"


class ToldEvent(Struct, frozen=True):
    recorded: Recorded
    words: str
    before: Part | None
    after: Part | None
    redaction: Redaction | None
    withheld: bool = False


class HistoryPage(Struct, frozen=True):
    told: Sequence[ToldEvent]
    next_version: int | None
    """After which the next page begins; None at the end."""


async def page_of_events(
    pool: Pool,
    shard: int,
    conversation_id: UUID,
    after: int,
    limit: int,
    kinds: Collection[str] | None = None,
) -> HistoryPage:
    """Of messages of other kinds, if some are named, it is told that there is something, and no more."""
    async with pool.connection() as connection:
        past = Past(connection, shard, conversation_id)
        events = await past.events(after, limit)
        if not events:
            return HistoryPage([], None)
        standing = await standing_before(past, events)
        bounds = await past.bounds()
    redaction: Redaction = "erased" if bounds.erased else "anonymised"
    told = [tell(standing, emptied(each, bounds.erased), redaction, kinds) for each in events]
    last = events[-1].version
    return HistoryPage(told, last if last < bounds.version else None)


async def standing_before(past: Past, events: Sequence[Recorded]) -> PastState:
    standing, until = PastState(), events[0].version - 1
    if any(not isinstance(each.event, STANDS_ALONE) for each in events):
        async for recorded in past.of_itself(until):
            standing.take(recorded)
    for recorded in await past.of_messages(changed_messages(events), until):
        standing.take(recorded)
    return standing


def changed_messages(events: Sequence[Recorded]) -> list[str]:
    changed = (
        each.event.message_id
        for each in events
        if isinstance(each.event, MessageRevised | MessageRated | MessageRemoved)
    )
    return list(dict.fromkeys(changed))


def tell(
    standing: PastState, recorded: Recorded, redaction: Redaction, kinds: Collection[str] | None
) -> ToldEvent:
    if isinstance(recorded.event, Redacted):
        standing.take(recorded)
        return ToldEvent(recorded, in_words(recorded, None, redaction), None, None, redaction)
    words = in_words(recorded, standing)
    shown = kinds is None or standing.is_about(recorded.event, kinds)
    before, after = taken(standing, recorded)
    if not shown:
        return ToldEvent(recorded, NOT_SHOWN, None, None, None, withheld=True)
    return ToldEvent(recorded, words, before, after, None)
