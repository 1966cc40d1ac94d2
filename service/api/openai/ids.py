"""How a conversation is called below /v1: by its user's own name for it, or by `conv_` and its id."""

import re
from typing import Final
from uuid import UUID

CONVERSATION: Final = re.compile(r"conv_([0-9a-f]{32})")
NO_PATH_HOLDS: Final = re.compile(r"[^/]*/.*|\.{1,2}", re.DOTALL)
"""An escaped slash is refused in every path; and dots alone lead elsewhere."""


def id_of(conversation_id: UUID, name: str | None = None) -> str:
    """What leads to it."""
    if name is None or CONVERSATION.fullmatch(name) or NO_PATH_HOLDS.fullmatch(name):
        return f"conv_{conversation_id.hex}"
    return name


def as_elsewhere(given: str) -> str:
    """As the other surfaces write the same: an id as a UUID, a name as it is."""
    found = CONVERSATION.fullmatch(given)
    return given if found is None else str(UUID(found[1]))
