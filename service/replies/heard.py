"""What the responder is told: all that was said in the user's conversations up to the question."""

from typing import Final

from projections.history import LINES_AT_ONCE, LINES_OLDER, Said, decode_text
from projections.reading.view import View

EVERYTHING: Final = 0


async def heard(
    view: View,
    shard: int,
    user_id: str,
    until: int,
    messages: int = EVERYTHING,
    characters: int = EVERYTHING,
    last: Said | None = None,
) -> list[Said]:
    """Oldest first, the question last: what has been said since in another conversation is not before it.

    Capped, the newest are told; the question always is. `last` is a question that is no message itself.
    """
    found: list[Said] = [last] if last else []
    room = characters - sum(len(said.content) for said in found)
    before = until + 1
    while not messages or len(found) < messages:
        wanted = LINES_AT_ONCE if not messages else min(LINES_AT_ONCE, messages - len(found))
        lines = await view.rows(LINES_OLDER, shard, user_id=user_id, before=before, limit=wanted)
        for line in lines:
            said = Said(line.role, decode_text(line.content))
            room -= len(said.content)
            if characters and room < 0 and found:
                return found[::-1]
            found.append(said)
        if len(lines) < wanted:
            break
        before = lines[-1].position
    return found[::-1]
