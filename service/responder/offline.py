"""The responder that needs nothing: it says what it is, and shows that it was told everything."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from projections.history import Said
from service.responder import Used

LONGEST_QUOTE: Final = 200
PAUSE: Final = 0.005
"""Seconds, so that whoever listens hears it in pieces, as of a model."""


class Offline:
    name = "offline"

    async def reply(self, prompt: str, said: Sequence[Said]) -> AsyncIterator[str | Used]:
        for sentence in sentences(said):
            yield sentence
            await asyncio.sleep(PAUSE)
        yield Used(0)

    async def close(self) -> None:
        pass


def sentences(said: Sequence[Said]) -> list[str]:
    """The same for the same history."""
    question = said[-1].content if said else ""
    quote = question if len(question) <= LONGEST_QUOTE else question[:LONGEST_QUOTE] + "…"
    before = max(len(said) - 1, 0)
    return [
        "This is Hansard's built-in offline responder; no model was asked. ",
        f"You said: “{quote}” ",
        f"I was told {before:,} earlier message{'' if before == 1 else 's'}. ",
        "To talk to a model, set HANSARD_RESPONDER=openai.",
    ]
