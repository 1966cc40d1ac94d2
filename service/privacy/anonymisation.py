"""Anonymises conversations: a last event names the pseudonym, and then everything before it is the
pseudonym's, in the log and in every projection. The words stay."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict
from psycopg import AsyncConnection
from psycopg.rows import class_row

from domain import conversation as decisions
from domain.conversation import Conversation
from domain.errors import Contended, ConversationIsErased, ConversationNotFound, VersionConflict
from domain.events import Event
from domain.message import Message
from domain.recorded import Recorded
from projections import generations
from projections.following.refolding import Refolding, set_aside, take_again
from projections.projection import Projection
from projections.rebuilding.guard import guarded
from service.access.actors import is_user
from service.commands import owned
from service.hansard import Hansard
from service.privacy.clearing import FORGET, clear_reads, delete, live_builds, places
from service.privacy.emptying import as_eraser
from service.privacy.erasure import carried_out
from service.privacy.finding import OwnedTip, standing
from service.privacy.names import unnamed
from service.privacy.receipts import Receipt
from service.privacy.rewriting import mentions_in, without_person
from service.privacy.wishes import decode_wish
from service.store.append import Appended, CommandKey
from service.store.codec import encode, message_id_of
from service.store.digests import Left
from service.store.log import conversation_after
from service.store.repository import ATTEMPTS, Caller
from service.store.store import Store

PAGE: Final = 500

PSEUDONYM: Final = """
SELECT version, user_id AS pseudonym FROM events
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND topic = 'conversation_anonymised'
ORDER BY version LIMIT 1"""
REWRITE: Final = """
UPDATE events
SET state = CASE WHEN %(same)s THEN state ELSE %(state)s END,
    state_salt = CASE WHEN %(same)s THEN state_salt END, message_id = %(message_id)s,
    user_id = %(pseudonym)s, actor = %(actor)s,
    request_id = NULL, person_salt = NULL
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND version = %(version)s
    AND person_salt IS NOT NULL"""
"""Once: a pseudonym may hold the user's id."""


class Cut(Struct, frozen=True):
    """Where a conversation became its pseudonym's."""

    version: int
    pseudonym: str


class Remainder(Struct, frozen=True):
    """What will be left of a conversation, up to this version."""

    version: int
    digest: str


class WhatIsLeft(Struct, frozen=True):
    """Of one event."""

    state: bytes | None
    message_id: str | None
    actor: str | None
    same: bool
    """It keeps its state as it was recorded, and the salt that proves it."""


class Anonymity:
    """What one receipt anonymises; it is always about one user."""

    def __init__(
        self, hansard: Hansard, connection: AsyncConnection[Any], receipt: Receipt, caller: Caller
    ) -> None:
        self._hansard = hansard
        self._connection = connection
        self._receipt = receipt
        self._caller = caller
        self._user_id = decode_wish(receipt.wish or b"").user_id or ""
        self._standing: dict[UUID, OwnedTip] = {}

    async def count(self, shard: int, conversation_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
        self._standing = await standing(self._connection, shard, conversation_ids)
        there = [each.conversation_id for each in self._standing.values() if each.now_of == self._user_id]
        return {each: {"mentions": await self._mentions(shard, each)} for each in there}

    async def _mentions(self, shard: int, conversation_id: UUID) -> int:
        found, version = 0, 0
        while page := await conversation_after(self._connection, shard, conversation_id, version, PAGE):
            found += sum(mentions_in(each.event, self._user_id) for each in page)
            version = page[-1].version
        return found

    async def prepare(self, shard: int, conversation_ids: Sequence[UUID]) -> None:
        """Nobody is shown them from here on. And the append, which gives every message to the pseudonym,
        finds no rows that it would have to change while others wait for it."""
        await asyncio.to_thread(self._of_each_projection, set_aside, shard, conversation_ids)

    async def leave(self, shard: int, conversation_id: UUID) -> None:
        await asyncio.to_thread(self._of_each_projection, take_again, shard, [conversation_id])

    async def append(
        self, shard: int, conversation_id: UUID, command: CommandKey, expected: int | None
    ) -> Appended | None:
        found = self._standing.get(conversation_id)
        if found is None or found.now_of != self._user_id:
            return await carried_out(self._connection, shard, command)
        owner = Caller(self._user_id, self._receipt.requested_by)
        instead = pseudonym(self._hansard.store, shard)
        for _ in range(ATTEMPTS):
            proof = await self._prove(shard, conversation_id, instead)
            if expected is not None and expected != proof.version:
                raise VersionConflict(current_version=proof.version, expected_version=expected)
            try:
                changed = await self._hansard.repository.change(
                    owner,
                    conversation_id,
                    partial(self._decide, owner, proof.digest),
                    command=command,
                    expected=proof.version,
                    as_user=instead,
                )
            except (ConversationNotFound, ConversationIsErased):
                return None
            except VersionConflict:
                continue
            return changed.appended
        raise Contended(attempts=ATTEMPTS)

    async def _prove(self, shard: int, conversation_id: UUID, instead: str) -> Remainder:
        """As it will be once it is rewritten: only before that can it be known to be what was recorded."""
        digest, version = Left(), 0
        while page := await conversation_after(self._connection, shard, conversation_id, version, PAGE):
            for each in page:
                left = left_of(each, self._user_id, instead)
                digest.take(each.version, left.actor, left.state, proved=left.same)
            version = page[-1].version
        return Remainder(version, digest.hexdigest())

    def _decide(
        self, owner: Caller, digest: str, known: Conversation | None, _: Mapping[str, Message]
    ) -> Sequence[Event]:
        receipt, limits = self._receipt, self._hansard.repository.limits
        return decisions.anonymise(
            owned(known, owner), receipt.requested_by, receipt.reason, limits=limits, rewritten=digest
        )

    async def settle(self, shard: int, conversation_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
        """In this order: once the log is rewritten, whoever reads it reads of the pseudonym."""
        counts: dict[UUID, dict[str, int]] = {}
        cuts = {each: await self._cut({"shard": shard, "conversation_id": each}) for each in conversation_ids}
        for conversation_id, cut in cuts.items():
            if cut is not None:
                await self._hansard.replies.forget(shard, conversation_id)
                await self._rewrite(shard, conversation_id, cut)
        await asyncio.to_thread(self._take_again, shard, conversation_ids)
        for conversation_id, cut in cuts.items():
            if cut is None:
                continue  # somebody has erased it
            given = {"shard": shard, "conversation_id": conversation_id}
            await forget_elsewhere(self._connection, self._hansard.projections, given)
            state = await self._hansard.repository.settle(shard, conversation_id)
            messages = state.message_count if state else 0
            counts[conversation_id] = {"messages": messages, "events": cut.version - 1}
        return counts

    async def _cut(self, given: dict[str, Any]) -> Cut | None:
        cursor = self._connection.cursor(row_factory=class_row(Cut))
        await cursor.execute(PSEUDONYM.encode(), given)
        return await cursor.fetchone()

    async def _rewrite(self, shard: int, conversation_id: UUID, cut: Cut) -> None:
        """What was rewritten before stays as it is. An event that says nothing of the person keeps
        the salt by which it can be proved that its words are the ones that were recorded."""
        version = 0
        while page := await conversation_after(self._connection, shard, conversation_id, version, PAGE):
            async with as_eraser(self._connection, self._hansard.database):
                for each in page:
                    if each.version < cut.version:
                        left = left_of(each, self._user_id, cut.pseudonym)
                        given = {
                            "shard": shard,
                            "conversation_id": conversation_id,
                            "version": each.version,
                            "pseudonym": cut.pseudonym,
                        }
                        await self._connection.execute(REWRITE, given | asdict(left))
            version = page[-1].version

    def _take_again(self, shard: int, conversation_ids: Sequence[UUID]) -> None:
        """Builds that were begun and left lying are begun anew by the next replay; one that is under way has
        read what was there before, and has to be done first."""
        with self._hansard.database.connect("hansard eraser") as connection:
            for projection in self._hansard.projections:
                if generations.building(connection, projection) is not None:
                    with guarded(connection, [projection]):
                        begun = generations.building(connection, projection)
                        if begun is not None:
                            generations.drop(connection, begun)
        self._of_each_projection(take_again, shard, conversation_ids)

    def _of_each_projection(self, work: Refolding, shard: int, conversation_ids: Sequence[UUID]) -> None:
        with self._hansard.database.connect("hansard eraser") as connection:
            for projection in self._hansard.projections:
                work(connection, self._hansard.log, projection, shard, conversation_ids)


def left_of(recorded: Recorded, user_id: str, pseudonym: str) -> WhatIsLeft:
    left = without_person(recorded.event, user_id, pseudonym)
    return WhatIsLeft(
        state=None if left is None else encode(left)[1],
        message_id=None if left is None else message_id_of(left),
        actor=acting(recorded.actor, user_id),
        same=left == recorded.event,
    )


def acting(actor: str | None, user_id: str) -> str | None:
    """Who acted, unless that was the person."""
    return None if actor is None or is_user(actor, user_id) else unnamed(actor, user_id)


def pseudonym(store: Store, shard: int) -> str:
    """Random, and of the same shard, for what is there cannot move to another."""
    while True:
        drawn = f"anonymous-{secrets.token_hex(12)}"
        if store.shard_of(drawn) == shard:
            return drawn


async def forget_elsewhere(
    connection: AsyncConnection[Any], projections: Sequence[Projection], given: dict[str, Any]
) -> None:
    """In the tables that other versions of the code read, or nobody any more, it cannot be rewritten."""
    live = await live_builds(connection, projections)
    others = [
        place for place in await places(connection) if place.of_conversations and place.build not in live
    ]
    for place in others:
        await delete(connection, FORGET, place, given | {"conversation_ids": [given["conversation_id"]]})
    await clear_reads(connection, given["shard"], [given["conversation_id"]])
