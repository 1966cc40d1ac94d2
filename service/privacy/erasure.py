"""Erases conversations: a last event says so, and then nothing is left of what came before it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain import conversation as decisions
from domain.conversation import Conversation
from domain.errors import ConversationIsErased, ConversationNotFound, HistoryIsBroken
from domain.events import ConversationErased, Event
from service.commands import Terms, change_conversation
from service.hansard import Hansard
from service.privacy.clearing import clear, count_rows
from service.privacy.emptying import redact
from service.privacy.finding import OwnedTip, standing
from service.privacy.receipts import Receipt
from service.store.append import Appended, CommandKey, append_of
from service.store.log import stored_command
from service.store.repository import Caller


class Erasure:
    """What one receipt erases."""

    def __init__(
        self, hansard: Hansard, connection: AsyncConnection[Any], receipt: Receipt, caller: Caller
    ) -> None:
        self._hansard = hansard
        self._connection = connection
        self._receipt = receipt
        self._caller = caller
        self._standing: dict[UUID, OwnedTip] = {}

    async def count(self, shard: int, conversation_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
        self._standing = await standing(self._connection, shard, conversation_ids)
        there = [each.conversation_id for each in self._standing.values() if not each.is_erased]
        return await count_rows(self._connection, self._hansard.projections, shard, there)

    async def prepare(self, shard: int, conversation_ids: Sequence[UUID]) -> None:
        """Rows go quickly enough, with the append and after it."""

    async def leave(self, shard: int, conversation_id: UUID) -> None:
        """Nothing was done."""

    async def append(
        self, shard: int, conversation_id: UUID, command: CommandKey, expected: int | None
    ) -> Appended | None:
        found = self._standing.get(conversation_id)
        if found is None:
            return None
        if found.is_erased or found.now_of is None:
            return await carried_out(self._connection, shard, command)
        owner = Caller(found.now_of, self._caller.actor, self._caller.request_id)
        try:
            changed = await change_conversation(
                self._hansard.repository,
                owner,
                conversation_id,
                self._decide,
                Terms(expected, command),
            )
        except (ConversationNotFound, ConversationIsErased):
            return None
        except HistoryIsBroken:
            return await self._hansard.store.append(self._regardless(shard, found, command))
        return changed.appended

    def _decide(self, known: Conversation) -> Sequence[Event]:
        receipt, limits = self._receipt, self._hansard.repository.limits
        return decisions.erase(known, receipt.requested_by, receipt.reason, limits=limits)

    def _regardless(self, shard: int, found: OwnedTip, command: CommandKey) -> Any:
        """What cannot be understood can be erased all the same."""
        erased = ConversationErased(requested_by=self._receipt.requested_by, reason=self._receipt.reason)
        return append_of(
            shard,
            found.conversation_id,
            [erased],
            datetime.now(UTC),
            user_id=found.now_of,
            actor=self._caller.actor,
            request_id=self._caller.request_id,
            expected=found.version,
            command=command,
        )

    async def settle(self, shard: int, conversation_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
        """In this order: once the log is emptied, nobody can bring back what is deleted after that."""
        now = await standing(self._connection, shard, conversation_ids)
        erased = [each.conversation_id for each in now.values() if each.is_erased]
        for conversation_id in erased:
            await self._hansard.replies.forget(shard, conversation_id)
        await redact(self._connection, self._hansard.database, shard, erased)
        await clear(self._connection, shard, erased)
        counts: dict[UUID, dict[str, int]] = {}
        for conversation_id in erased:
            state = None
            with suppress(HistoryIsBroken):
                state = await self._hansard.repository.settle(shard, conversation_id)
            messages = state.message_count if state else 0
            counts[conversation_id] = {"messages": messages, "events": now[conversation_id].version - 1}
        return counts


async def carried_out(connection: AsyncConnection[Any], shard: int, command: CommandKey) -> Appended | None:
    """What this command has appended before, if anything: when what it is about was cut off after that."""
    stored = await stored_command(connection, shard, command.id)
    if stored is None:
        return None
    last = stored.size - 1
    return Appended(
        stored.conversation_id, stored.version + last, stored.position + last, stored.size, repeated=True
    )
