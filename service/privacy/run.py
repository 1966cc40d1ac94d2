"""Carries out what somebody wants to be forgotten: once, however often it is asked for, and to the end,
wherever it was cut off.

The receipt is written first, and each conversation is noted before it is touched. All that follows can be
done again at any point: the event is appended under a command of the receipt's, emptying what is empty
changes nothing, and what there was is counted before anything goes.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection

from domain.conversation import expect
from domain.errors import CommandReused, Refusal, VersionConflict
from projections.rows.silence import is_of_a_part
from service.commands import owned
from service.hansard import Hansard
from service.privacy import receipts
from service.privacy.anonymisation import Anonymity
from service.privacy.clearing import clear_user
from service.privacy.emptying import check_eraser
from service.privacy.erasure import Erasure
from service.privacy.finding import Key, is_anything_left, next_of
from service.privacy.interrupted import once_begun
from service.privacy.journal import write_down
from service.privacy.lock import alone_with, connected, if_alone_with
from service.privacy.names import unnamed, who_asked
from service.privacy.receipts import Noted, Receipt, new_receipt
from service.privacy.wishes import Wish, decode_wish
from service.store.append import Appended, CommandKey
from service.store.log import stored_command
from service.store.repository import Caller

log = logging.getLogger("hansard.privacy")

AT_ONCE: Final = 16
"""Conversations that are done side by side: enough to share commits, and no more than would keep readers
from their connections."""


class Demand(Struct, frozen=True):
    """Who wants it, and why."""

    caller: Caller
    reason: str
    command: CommandKey | None = None
    again: bool = False
    """A conversation that was erased before is answered with its receipt, not as if it had never been."""


class Work(Protocol):
    """One way to forget conversations of a shard. Doing it again changes nothing."""

    async def count(self, shard: int, conversation_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
        """What there is of those that are not done yet."""

    async def prepare(self, shard: int, conversation_ids: Sequence[UUID]) -> None:
        """Whatever would take long in the append."""

    async def leave(self, shard: int, conversation_id: UUID) -> None:
        """Undoes that: the append was refused."""

    async def append(
        self, shard: int, conversation_id: UUID, command: CommandKey, expected: int | None
    ) -> Appended | None:
        """The event that says so; None where it was somebody else who said it."""

    async def settle(self, shard: int, conversation_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
        """Makes it true everywhere; gives back what can be counted only then."""


async def carry_out(hansard: Hansard, wish: Wish, asked: Demand, shard: int | None = None) -> Receipt:
    """The shard is where the receipt lies: the user's, unless it is everybody's."""
    if shard is None:
        shard = hansard.store.shard_of(asked.caller.user_id if wish.user_id else wish.subject.decode())
    check_eraser(hansard.database)
    async with hansard.erasing, alone_with(hansard.database, wish.subject) as connection:
        receipt = await begun(hansard, connection, shard, wish, asked)
        with once_begun():
            if receipt.wish is not None:
                return await ReceiptRun(hansard, connection, receipt, asked.caller).to_the_end()
            if wish.kind == "user" and wish.user_id is not None:  # what some process kept of her after that
                await clear_user(connection, shard, wish.user_id)
            return receipt


async def begun(
    hansard: Hansard, connection: AsyncConnection[Any], shard: int, wish: Wish, asked: Demand
) -> Receipt:
    """The receipt of the same command, or of the same subject if there is nothing new of it; or a new one."""
    command = asked.command
    if command is not None:
        # The receipt of what is everybody's lies where its subject does, and its key is one everywhere.
        shards = [shard] if wish.user_id else range(hansard.store.shards)
        if known := await receipts.of_command(connection, shards, command):
            return known
        stored = await stored_command(connection, shard, command.id)
        if stored is not None and stored.digest != command.digest:
            raise CommandReused
    if wish.kind != "conversation" or asked.again:
        latest = await receipts.latest_of(connection, shard, wish)
        if latest and (
            latest.wish is not None or not await is_anything_left(hansard, connection, shard, wish)
        ):
            return latest
    if wish.kind == "conversation" and wish.conversation_id is not None:
        state = await hansard.repository.load(shard, wish.conversation_id)
        expect(owned(state, asked.caller), wish.expected)
    by_whom, why = who_asked(asked.caller), unnamed(asked.reason, asked.caller.user_id)
    receipt = new_receipt(shard, wish, by_whom, why, command)
    await receipts.add(connection, receipt)
    return receipt


async def finish_under_way(hansard: Hansard) -> list[Receipt]:
    """What was cut off, by whatever it was. One that fails does not keep the others back."""
    finished, failed = [], list[Exception]()
    async with connected(hansard.database) as connection:
        begun_before = await receipts.under_way(connection, hansard.reach)
    for receipt in begun_before:
        try:
            done = await go_on_with(hansard, receipt)
        except Refusal as refused:
            log.warning("receipt %s is not finished: %s", receipt.id, refused)
        except Exception as broken:  # whatever it is
            log.warning("receipt %s is not finished: %s", receipt.id, type(broken).__name__)
            if not is_of_a_part(broken):
                failed.append(broken)
        else:
            finished += [done] if done else []
    if failed:
        raise failed[0]
    return finished


async def go_on_with(hansard: Hansard, receipt: Receipt) -> Receipt | None:
    """What another process is busy with is left to it."""
    wish = decode_wish(receipt.wish or b"")
    async with hansard.erasing, if_alone_with(hansard.database, wish.subject) as alone:
        if alone is None or await receipts.is_finished(alone, receipt):
            return None
        return await ReceiptRun(
            hansard, alone, receipt, Caller(wish.user_id or "", receipt.requested_by)
        ).to_the_end()


class ReceiptRun:
    """One receipt that is under way."""

    def __init__(
        self, hansard: Hansard, connection: AsyncConnection[Any], receipt: Receipt, caller: Caller
    ) -> None:
        self._hansard = hansard
        self._connection = connection
        self._receipt = receipt
        self._wish = decode_wish(receipt.wish or b"")
        given = (hansard, connection, receipt, caller)
        self._work: Work = Erasure(*given) if receipt.action == "erase" else Anonymity(*given)
        self._counts = Counter(conversations=0, messages=0, events=0)
        self._last: Appended | None = None

    async def to_the_end(self) -> Receipt:
        await self._do(await receipts.noted(self._connection, self._receipt))
        while found := await self._next():
            await self._do([Noted(shard, conversation_id, {}) for shard, conversation_id in found])
            if self._wish.kind == "conversation":
                break
        if self._wish.kind == "user" and self._wish.user_id is not None:
            await clear_user(self._connection, self._receipt.shard, self._wish.user_id)
        return await self._finish()

    async def _next(self) -> Sequence[Key]:
        return await next_of(self._hansard, self._connection, self._receipt.shard, self._wish, AT_ONCE)

    async def _do(self, conversations: Sequence[Noted]) -> None:
        ordered = sorted(conversations, key=lambda each: (each.of_shard, each.conversation_id))
        for shard, each in groupby(ordered, lambda each: each.of_shard):
            of_shard = list(each)
            for at in range(0, len(of_shard), AT_ONCE):
                await self._do_some(
                    shard, {some.conversation_id: some.counts for some in of_shard[at : at + AT_ONCE]}
                )

    async def _do_some(self, shard: int, known: dict[UUID, dict[str, int]]) -> None:
        there = await self._work.count(shard, list(known))
        notes = [Noted(shard, conversation_id, counts) for conversation_id, counts in there.items()]
        await receipts.note(self._connection, self._receipt, notes)
        known |= there
        await self._work.prepare(shard, list(known))
        appended = await asyncio.gather(*(self._append(shard, each) for each in known))
        after = await self._work.settle(shard, list(known))
        for conversation_id, ours in zip(known, appended, strict=True):
            if ours is not None:
                self._counts.update({"conversations": 1} | known[conversation_id] | after[conversation_id])
                if self._last is None or self._last.position < ours.position:
                    self._last = ours

    async def _append(self, shard: int, conversation_id: UUID) -> Appended | None:
        try:
            return await self._work.append(
                shard, conversation_id, self._command(conversation_id), self._wish.expected
            )
        except VersionConflict:
            await self._work.leave(shard, conversation_id)
            await receipts.withdraw(self._connection, self._receipt)  # it is of one conversation only
            raise

    def _command(self, conversation_id: UUID) -> CommandKey:
        """The key of whoever asked, where it is about one conversation; the receipt's own everywhere else."""
        receipt = self._receipt
        if receipt.kind == "conversation" and receipt.command_id and receipt.command_digest:
            return CommandKey(receipt.command_id, receipt.command_digest)
        return CommandKey(uuid5(receipt.id, str(conversation_id)), sha256(receipt.id.bytes).digest())

    async def _finish(self) -> Receipt:
        finished = replace(
            self._receipt,
            wish=None,
            counts=dict(self._counts),
            version=self._last.version if self._last else None,
            position=self._last.position if self._last else None,
            finished_at=datetime.now(UTC),
        )
        await write_down(self._hansard.settings.erasure_journal, finished)
        await receipts.finish(self._connection, finished)
        return finished
