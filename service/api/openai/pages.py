"""Pages of OpenAI's lists: so many entries, in either order, and whether there is more."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeVar

from litestar.params import QueryParameter

from domain.content import LIMITS
from service.api.answering.documented import name, names, parameter

MOST: Final = 100
USUAL: Final = 20
LONGEST: Final = max(LIMITS.message_id, LIMITS.name) + len("conv_")

Order = Literal["asc", "desc"]
T = TypeVar("T")

PageLimit = Annotated[
    int, QueryParameter(ge=1, le=MOST, description="How many a page holds at most: 1 to 100.")
]
InOrder = Annotated[
    Order, QueryParameter(description="`desc` begins with the newest, `asc` with the oldest.")
]
AfterEntry = Annotated[
    str | None,
    QueryParameter(
        description="The `last_id` of a page: the entries that follow it.",
        schema_extra=parameter(name(LONGEST)),
    ),
]
BeforeEntry = Annotated[
    str | None,
    QueryParameter(
        description="The `first_id` of a page: the entries before it, up to it.",
        schema_extra=parameter(name(LONGEST)),
    ),
]
AsGiven = Annotated[
    bool,
    QueryParameter(
        description="Hansard's own. Items are given exactly as they were added: without an id if they had "
        "none. Added so, each is kept under an id of Hansard's own, so that the same item can be added again."
    ),
]
Include = Annotated[
    list[str] | None,
    QueryParameter(
        name="include[]",
        description="Accepted and not needed: every item is given whole.",
        schema_extra=names(LIMITS.kind),
    ),
]


def cut(found: Sequence[T], limit: int, backwards: bool = False) -> tuple[Sequence[T], bool]:
    """Of what was found when one more than a page holds was looked for: the page, and whether there is more.
    Looked for backwards, the last of the page was found first."""
    rows = found[:limit]
    return rows[::-1] if backwards else rows, len(found) > limit
