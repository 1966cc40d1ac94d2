"""What produces replies: the protocol, and which of those that there are the settings mean."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

from domain.errors import Refusal
from projections.history import Said
from service.settings.settings import Settings


class ResponderFailed(Refusal):
    """The responder failed: {why}. The message is stored; send it again, with the same Idempotency-Key."""


class ResponderTimedOut(ResponderFailed):
    """The responder took too long: {why}. The message is stored; send it again, with the same
    Idempotency-Key."""


class Used(Struct, frozen=True):
    """Comes last, if at all: what the reply has cost."""

    tokens: int


class Responder(Protocol):
    name: str

    def reply(self, prompt: str, said: Sequence[Said]) -> AsyncIterator[str | Used]:
        """The reply to the last of what was said, piece by piece; it is whole when the iterator ends.

        Raises ResponderFailed, whatever came before it.
        """
        ...

    async def close(self) -> None: ...


def responder_of(settings: Settings) -> Responder:
    """May take a second: the client of the one that is meant is loaded only here."""
    if settings.responder == "offline":
        from service.responder.offline import Offline

        return Offline()
    from service.responder.openai import OpenAI

    return OpenAI(
        settings.openai_base_url,
        settings.openai_api_key,
        settings.openai_model,
        settings.responder_timeout,
        settings.responder_retries,
    )
