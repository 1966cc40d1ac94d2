"""Feedback: what people think of items, each a rating on the record."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain import conversation as decisions
from domain.conversation import Conversation
from domain.events import Event
from domain.message import Message
from service.commands import owned
from service.store.repository import Caller, Repository


async def rate(
    repository: Repository, caller: Caller, conversation_id: UUID, message_ids: Sequence[str], rating: str
) -> None:
    """All of them or none."""

    def decide(known: Conversation | None, messages: Mapping[str, Message]) -> Sequence[Event]:
        conversation = owned(known, caller)
        return [
            event
            for each in dict.fromkeys(message_ids)
            for event in decisions.rate_message(
                conversation, messages.get(each), each, rating, limits=repository.limits
            )
        ]

    await repository.change(caller, conversation_id, decide, about=list(dict.fromkeys(message_ids)))
