"""Conversations in which nobody has said anything for so many days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.events import ConversationStarted, Link, MessageAdded
from service.hansard import Hansard
from service.store.append import append_of
from tests.service.store.appending import rows


async def idle(hansard: Hansard, days: float, *kinds: str, user_id: str = "ann", **metadata: Any) -> UUID:
    conversation_id = uuid4()
    said = MessageAdded(message_id="m1", role="user", content=f"words of {conversation_id}")
    links = tuple(Link(kind, "42") for kind in kinds)
    append = append_of(
        hansard.store.shard_of(user_id),
        conversation_id,
        [ConversationStarted(links=links, metadata=metadata), said],
        datetime.now(UTC) - timedelta(days=days),
        user_id=user_id,
        actor=user_id,
        expected=0,
    )
    await hansard.store.append(append)
    return conversation_id


def now(**later: float) -> datetime:
    return datetime.now(UTC) + timedelta(**later)


def ending_of(dsn: str, conversation_id: UUID) -> tuple[str, int]:
    """The topic of its last event, and how many there are."""
    query = """SELECT topic, version FROM hansard.events WHERE conversation_id = %s
        ORDER BY version DESC LIMIT 1"""
    ((topic, version),) = rows(dsn, query, conversation_id)
    return topic, version


ERASED = ("conversation_erased", 3)
ANONYMISED = ("conversation_anonymised", 3)
KEPT = ("message_added", 2)
