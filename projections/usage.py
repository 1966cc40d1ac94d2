"""How much was said: messages, characters and tokens of each user on each day."""

from collections.abc import Iterable
from datetime import UTC, date, timedelta
from typing import ClassVar, Final
from uuid import UUID

from msgspec import Struct

from domain.events import ConversationAnonymised, ConversationErased, MessageAdded
from domain.recorded import Recorded
from projections.reading.view import Query, View
from projections.rows.changes import Change, Delete, Tally, Update
from projections.rows.tables import Small, Table


class Row(Struct, gc=False):
    shard: Small
    conversation_id: UUID
    day: date
    """In UTC."""
    user_id: str | None
    messages: int
    questions: int
    replies: int
    characters: int
    tokens: int


USAGE: Final = Table(
    name="usage",
    row=Row,
    # By conversation, so that anonymising and erasing can find what they concern; added up where it is read.
    key=("shard", "conversation_id", "day"),
    sums=("messages", "questions", "replies", "characters", "tokens"),
    indexes=("(shard, user_id, day)",),
    small=True,
)


class Usage:
    """Counts messages as they were added: revising and removing them takes nothing back.

    The counts share the fate of the words. An erased conversation's are gone: nothing is left in the log from
    which a replay could count them again, and what only an old table knows is no projection. An anonymised
    conversation's count for its pseudonym.
    """

    name: ClassVar[str] = "usage"
    with_append: ClassVar[bool] = False
    version: str = "1"
    tables: tuple[Table, ...] = (USAGE,)

    def changes(self, recorded: Recorded) -> tuple[Change, ...]:
        match recorded.event:
            case MessageAdded(kind="message") as added:
                return (Tally(USAGE, counts(recorded, added)),)
            case ConversationAnonymised():
                conversation = (recorded.shard, recorded.conversation_id)
                return (Update(USAGE, conversation, put={"user_id": recorded.user_id}),)
            case ConversationErased():
                return (Delete(USAGE, (recorded.shard, recorded.conversation_id)),)
        return ()


def counts(recorded: Recorded, added: MessageAdded) -> Row:
    """By place, which takes half the time that names do."""
    role = added.role
    return Row(
        recorded.shard,
        recorded.conversation_id,
        recorded.recorded_at.astimezone(UTC).date(),
        recorded.user_id,
        1,
        int(role == "user"),
        int(role == "assistant"),
        len(added.content),
        added.tokens or 0,
    )


class Day(Struct, frozen=True):
    day: date
    messages: int
    questions: int
    replies: int
    characters: int
    tokens: int


DAYS: Final = Query(
    Day,
    """
SELECT day, sum(messages)::bigint, sum(questions)::bigint, sum(replies)::bigint, sum(characters)::bigint,
    sum(tokens)::bigint
FROM {usage}
WHERE shard = %(shard)s AND user_id = %(user_id)s AND day BETWEEN %(first)s AND %(last)s
GROUP BY day""",
    "day",
)


# It reads all rows of the shard: an index by day alone would have to be paid for by every message.
ALL_DAYS: Final = Query(
    Day,
    """
SELECT day, sum(messages)::bigint, sum(questions)::bigint, sum(replies)::bigint, sum(characters)::bigint,
    sum(tokens)::bigint
FROM {usage}
WHERE shard = %(shard)s AND day BETWEEN %(first)s AND %(last)s
GROUP BY day""",
    "day",
)


async def days_of_all(view: View, shards: Iterable[int], first: date, last: date) -> list[Day]:
    """Every day from the first to the last, those without a word included: shard after shard, since it is
    asked for by few, and readers of one conversation come first."""
    days = {
        day: Day(day, 0, 0, 0, 0, 0)
        for day in (first + timedelta(days=number) for number in range((last - first).days + 1))
    }
    for shard in shards:
        for each in await view.rows(ALL_DAYS, shard, first=first, last=last):
            days[each.day] = together(days[each.day], each)
    return list(days.values())


def together(one: Day, other: Day) -> Day:
    return Day(
        one.day,
        one.messages + other.messages,
        one.questions + other.questions,
        one.replies + other.replies,
        one.characters + other.characters,
        one.tokens + other.tokens,
    )


async def days_of(
    view: View, shard: int, user_id: str, first: date = date.min, last: date = date.max
) -> list[Day]:
    """The days on which something was said, in order."""
    return await view.rows(DAYS, shard, user_id=user_id, first=first, last=last)
