"""Pages: where one begins, and what leads to the ones beside it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from litestar.params import QueryParameter
from msgspec import Struct

from projections import conversations, history
from service.api.answering.cursors import decode, encode
from service.api.answering.documented import CURSOR, parameter
from service.api.answering.wire import unfit

MESSAGES: Final = "position"
"""The kind of cursor that a write answers with as well: messages can be asked for `after` it."""
CONVERSATIONS: Final = "conversations"

PLACE: Final = tuple[int]
MOST: Final = 1_000

Limit = Annotated[
    int, QueryParameter(ge=1, le=MOST, description="How many a page holds at most: 1 to 1,000.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        description="The next_cursor of the page before; none for the first page.",
        schema_extra=parameter(CURSOR),
    ),
]
Before = Annotated[
    str | None,
    QueryParameter(
        description="What a page gave as `older`: the page before that one.", schema_extra=parameter(CURSOR)
    ),
]
After = Annotated[
    str | None,
    QueryParameter(
        description="What a page gave as `newer`: what has come since.", schema_extra=parameter(CURSOR)
    ),
]


class PagePlace(Struct, frozen=True):
    """Where in the order of messages a page is asked for: the newest, if nothing is said."""

    user_id: str
    limit: int
    before: int = history.END
    after: int | None = None


class Page(Struct, frozen=True):
    """Oldest first. `older` leads to the page before and is None at the beginning; `newer` leads to what has
    come since."""

    rows: Sequence[history.HistoryMessage]
    older: str | None
    newer: str


Look = Callable[..., Awaitable[list[history.HistoryMessage]]]


def place_of(user_id: str, limit: int, before: str | None, after: str | None) -> PagePlace:
    if before is not None and after is not None:
        raise unfit("after", "Expected either before or after, not both")
    if after is not None:
        return PagePlace(user_id, limit, after=position_in(user_id, after))
    if before is not None:
        return PagePlace(user_id, limit, before=position_in(user_id, before))
    return PagePlace(user_id, limit)


def position_in(user_id: str, cursor: str) -> int:
    position: int = decode(MESSAGES, user_id, cursor, PLACE)[0]
    return position


def position_as_cursor(user_id: str, position: int) -> str:
    return encode(MESSAGES, user_id, (position,))


async def page_at(place: PagePlace, look: Look) -> Page:
    """Of what `look` finds before or after a position, so many messages at most."""
    if place.after is not None:
        return await page_after(place, place.after, look)
    rows = await look(place.limit + 1, place.before)
    has_older = len(rows) > place.limit
    rows = rows[-place.limit :]
    newest = 0 if place.before == history.END else place.before - 1
    return page_of(place, rows, rows[0].position if has_older else None, newest)


async def page_after(place: PagePlace, after: int, look: Look) -> Page:
    rows = await look(place.limit, after=after)
    if not rows:
        # Somebody has asked whether anything is new. What is here already she has seen.
        return page_of(place, rows, after + 1 if after > 0 else None, after)
    begins = rows[0].position
    has_older = after > 0 and await look(1, begins)
    return page_of(place, rows, begins if has_older else None, after)


def page_of(place: PagePlace, rows: Sequence[history.HistoryMessage], older: int | None, newest: int) -> Page:
    return Page(
        rows,
        None if older is None else position_as_cursor(place.user_id, older),
        position_as_cursor(place.user_id, rows[-1].position if rows else newest),
    )


def recent(user_id: str, cursor: str | None) -> int:
    """The place in a list of conversations from which the page goes on."""
    if cursor is None:
        return conversations.END
    position: int = decode(CONVERSATIONS, user_id, cursor, PLACE)[0]
    return position


def first_of(
    rows: Sequence[conversations.ListedConversation], user_id: str, limit: int
) -> tuple[Sequence[conversations.ListedConversation], str | None]:
    """Of one row more than the page holds: the page, and the cursor of the next if there is one."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, encode(CONVERSATIONS, user_id, (page[-1].last_position,))
