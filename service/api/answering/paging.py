"""Pages: where one begins, and what leads to the ones beside it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from litestar.params import QueryParameter
from msgspec import Struct

from projections import conversations, history
from projections.reading.pages import JsonPage
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


class PageCursors(Struct, frozen=True):
    """`older` leads to the page before and is None at the beginning; `newer` leads to what has come since."""

    older: str | None
    newer: str


Look = Callable[..., Awaitable[Sequence[history.HistoryMessage]]]


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


def cursors_at(place: PagePlace, lowest: int | None, highest: int | None, more: bool) -> PageCursors:
    """Of a page with these places on it, below which there is more or nothing."""
    if highest is None:
        return cursors_of_nothing(place)
    older = lowest if more and place.after != 0 else None
    return cursors(place, older, highest)


def cursors_of_nothing(place: PagePlace) -> PageCursors:
    if place.after is None:
        return cursors(place, None, 0 if place.before == history.END else place.before - 1)
    # Somebody has asked whether anything is new. What is here already she has seen.
    return cursors(place, place.after + 1 if place.after > 0 else None, place.after)


def cursors(place: PagePlace, older: int | None, newer: int) -> PageCursors:
    return PageCursors(
        None if older is None else position_as_cursor(place.user_id, older),
        position_as_cursor(place.user_id, newer),
    )


async def page_at(place: PagePlace, look: Look) -> tuple[Sequence[history.HistoryMessage], PageCursors]:
    """Oldest first: of what `look` finds before or after a position, so many messages at most."""
    if place.after is not None:
        rows = await look(place.limit, after=place.after)
        more = bool(rows) and place.after > 0 and bool(await look(1, rows[0].position))
    else:
        rows = await look(place.limit + 1, place.before)
        more = len(rows) > place.limit
        rows = rows[-place.limit :]
    if not rows:
        return rows, cursors_of_nothing(place)
    return rows, cursors_at(place, rows[0].position, rows[-1].position, more)


def recent(user_id: str, cursor: str | None) -> int:
    """The place in a list of conversations from which the page goes on."""
    if cursor is None:
        return conversations.END
    position: int = decode(CONVERSATIONS, user_id, cursor, PLACE)[0]
    return position


def cursor_after(page: JsonPage, user_id: str) -> str | None:
    """What leads to the next page of a list of conversations, if there is one."""
    return encode(CONVERSATIONS, user_id, (page.lowest,)) if page.more else None
