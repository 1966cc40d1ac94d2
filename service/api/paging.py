"""Pages: where one begins, and what leads to the ones beside it."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar

from litestar.params import QueryParameter
from msgspec import Struct

from projections import conversations, history
from service.api.cursors import decode, encode
from service.api.errors import BadCursor

MESSAGES: Final = "position"
"""The kind of cursor that a write answers with as well: messages can be asked for `after` it."""
CONVERSATIONS: Final = "conversations"

PLACE: Final = tuple[int]
MOST: Final = 1_000

Limit = Annotated[
    int, QueryParameter(ge=1, le=MOST, description="How many a page holds at most: 1 to 1,000.")
]
Cursor = Annotated[
    str | None, QueryParameter(description="The next_cursor of the page before; none for the first page.")
]
Before = Annotated[
    str | None, QueryParameter(description="What a page gave as `older`: the page before that one.")
]
After = Annotated[str | None, QueryParameter(description="What a page gave as `newer`: what has come since.")]


class Positioned(Protocol):
    @property
    def position(self) -> int: ...


P = TypeVar("P", bound=Positioned)
T = TypeVar("T")


class Place(Struct, frozen=True):
    """Where in the order of messages a page is asked for: the newest, if nothing is said."""

    user_id: str
    limit: int
    before: int = history.END
    after: int | None = None

    @property
    def one_more(self) -> dict[str, Any]:
        """What to ask the projection for: one message more than fits tells whether the page is the last."""
        return {"limit": self.limit + 1, "before": self.before, "after": self.after}


def place_of(user_id: str, limit: int, before: str | None, after: str | None) -> Place:
    if before is not None and after is not None:
        raise BadCursor
    if after is not None:
        return Place(user_id, limit, after=position_in(user_id, after))
    if before is not None:
        return Place(user_id, limit, before=position_in(user_id, before))
    return Place(user_id, limit)


def position_in(user_id: str, cursor: str) -> int:
    position: int = decode(MESSAGES, user_id, cursor, PLACE)[0]
    return position


def position_as_cursor(user_id: str, position: int) -> str:
    return encode(MESSAGES, user_id, (position,))


def cut(rows: Sequence[P], place: Place) -> tuple[Sequence[P], str | None, str]:
    """The page's own messages, and the cursors `older` and `newer`."""
    if place.after is not None:
        rows = rows[: place.limit]
        begins = rows[0].position if rows else place.after + 1
        ends = rows[-1].position if rows else place.after
        has_older = place.after > 0
    else:
        has_older = len(rows) > place.limit
        rows = rows[-place.limit :]
        newest = 0 if place.before == history.END else place.before - 1
        begins = rows[0].position if rows else 0
        ends = rows[-1].position if rows else newest
    older = position_as_cursor(place.user_id, begins) if has_older else None
    return rows, older, position_as_cursor(place.user_id, ends)


def recent(user_id: str, cursor: str | None) -> int:
    """The place in a list of conversations from which the page goes on."""
    if cursor is None:
        return conversations.END
    position: int = decode(CONVERSATIONS, user_id, cursor, PLACE)[0]
    return position


def first_of(
    rows: Sequence[conversations.Conversation], user_id: str, limit: int
) -> tuple[Sequence[conversations.Conversation], str | None]:
    """Of one row more than the page holds: the page, and the cursor of the next if there is one."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, encode(CONVERSATIONS, user_id, (page[-1].last_position,))
