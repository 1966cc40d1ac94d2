"""What a read shows beside what it always does: with `include=items`, all that an agent did."""

from typing import Annotated, Any, Final, Literal

from litestar.openapi.spec import OpenAPIType
from litestar.params import QueryParameter

from domain.message import SHOWN, WITH_ITEMS
from service.api.answering.wire import value_in

ITEMS: Final = "items"
ONE_OF: Final[dict[str, Any]] = {"one_of": None, "type": OpenAPIType.STRING, "enum": [ITEMS]}

Include = Annotated[
    str | None,
    QueryParameter(
        description="`items` also shows tool calls, their outputs, reasoning, instructions and approvals.",
        schema_extra=ONE_OF,
    ),
]


def wants_items(include: str | None) -> bool:
    return include is not None and value_in("include", include, Literal["items"]) == ITEMS


def kinds_shown(everything: bool, items: bool) -> tuple[str, ...] | None:
    """None: all there are, for those who may see what is only the server's."""
    if everything:
        return None
    return WITH_ITEMS if items else SHOWN
