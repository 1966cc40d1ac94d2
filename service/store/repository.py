"""Loads conversations and stores what was decided: load, decide, append; again if others were quicker."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from domain.content import LIMITS, Limits
from domain.conversation import Conversation, evolve, expect, fold, stands_alike
from domain.errors import CommandReused, Contended, Refusal, VersionConflict
from domain.events import (
    Event,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    ReplyFailed,
)
from domain.message import Message, fold_message
from domain.recorded import Recorded
from service.store.afterwards import once_stored
from service.store.append import Append, Appended, CommandKey, Key, Stored, append_of
from service.store.errors import AnswerLost, StoreUnavailable
from service.store.log import conversation_after, events_of_messages, stored_command
from service.store.memory import Known, Memory
from service.store.store import Store
from service.store.tagging import Tagging

ATTEMPTS: Final = 20
PAGE: Final = 2_000
SNAPSHOT_EVERY: Final = 200
ABOUT_MESSAGES: Final = (MessageAdded, MessageRated, MessageRemoved, MessageRevised, ReplyFailed)

SNAPSHOT: Final = """
SELECT state FROM snapshots
WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s AND shape = %(shape)s"""
SAVE_SNAPSHOT: Final = """
INSERT INTO snapshots AS s (shard, conversation_id, version, shape, state)
VALUES (%(shard)s, %(conversation_id)s, %(version)s, %(shape)s, %(state)s)
ON CONFLICT (shard, conversation_id) DO UPDATE
SET version = excluded.version, shape = excluded.shape, state = excluded.state
WHERE s.version < excluded.version OR (s.version = excluded.version AND s.shape <> excluded.shape)"""
FORGET_SNAPSHOT: Final = """
DELETE FROM snapshots WHERE shard = %(shard)s AND conversation_id = %(conversation_id)s"""

RULES: Final = 1
"""To be raised when `evolve` makes another state of the same events."""
SHAPE: Final = f"{RULES}-{sha256(repr(msgspec.json.schema(Conversation)).encode()).hexdigest()[:16]}"
"""A snapshot that was taken of another shape of the state is not read."""

Decide = Callable[[Conversation | None, Mapping[str, Message]], Sequence[Event]]


class Caller(Struct, frozen=True):
    """Whose conversation it is, who acts, and in which request."""

    user_id: str
    actor: str | None = None
    request_id: str | None = None


class Changed(Struct, frozen=True):
    """What a command came to: the conversation after it, and the append, if it took one."""

    conversation: Conversation | None
    """Where messages were put behind what others stored, with more of that, perhaps."""
    appended: Appended | None
    events: Sequence[Stored] = ()
    """What was stored now; nothing if the wish changed nothing or had been carried out before."""
    recorded_at: datetime | None = None
    """When that was."""


class Repository:
    def __init__(self, store: Store, pool: AsyncConnectionPool[Any], limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.store = store
        self._pool = pool
        self._memory = Memory()
        self._saving: set[asyncio.Task[None]] = set()
        self._catching_up: dict[Key, asyncio.Task[Conversation]] = {}

    async def close(self) -> None:
        await asyncio.gather(*self._saving, return_exceptions=True)

    async def load(self, shard: int, conversation_id: UUID) -> Conversation | None:
        """As it is stored now."""
        return (await self._load(shard, conversation_id)).stored

    async def messages(
        self, shard: int, conversation_id: UUID, message_ids: Sequence[str]
    ) -> dict[str, Message]:
        async with self._pool.connection() as connection:
            events = await events_of_messages(connection, shard, conversation_id, message_ids)
        return {key: message for key, history in events.items() if (message := fold_message(history))}

    async def change(
        self,
        caller: Caller,
        conversation_id: UUID,
        decide: Decide,
        *,
        about: Sequence[str] = (),
        command: CommandKey | None = None,
        expected: int | None = None,
        as_user: str | None = None,
    ) -> Changed:
        """Decides on the newest state, and again on a newer one if another append came between.

        `about` names the messages that the decision is about: it is given what is stored of them. `as_user`
        is whose the events are where it is not the conversation's user: the pseudonym that stands for her.
        """
        shard = self.store.shard_of(caller.user_id)
        key = (shard, conversation_id)
        doubted = bool(about)
        asked_at = time.monotonic()
        tagging = Tagging(self.store.find_tags)
        for _ in range(ATTEMPTS):
            known = None if doubted else self._memory.standing(key)
            loaded = known is None
            if known is None:
                known = await self._load(shard, conversation_id)
                if not doubted and (newer := self._memory.standing(key)):
                    # Several load at once after a conflict: go on from where the first of them is by now.
                    # Where that is on its way only, it is good enough to append to, and not to say no.
                    known, loaded = newer, newer.pending is None
            base = known.stored
            messages = await self.messages(shard, conversation_id, about) if about else {}
            refused: Refusal | None = None
            events: Sequence[Event] = ()
            try:
                # What is somebody else's has the version of what is not there.
                expect(known.state if is_of(known.state, caller) else None, expected)
                events = decide(known.state, messages)
            except Refusal as refusal:
                refused = refusal
            if events:
                stored = await tagging.stored(events)
                is_free = expected is None and depends_on_messages_only(events, base, known.state)
                free_on = base if is_free else None
                try:
                    return await self._append(
                        caller, shard, conversation_id, known, stored, command, as_user, free_on
                    )
                except VersionConflict as conflict:
                    doubted = bool(about)
                    if time.monotonic() >= self.store.patience.gives_up(asked_at, in_doubt=False):
                        raise StoreUnavailable(why="it took too long", retry_after=1) from conflict
            elif not loaded:
                doubted = (
                    True  # Another process may have changed what this one remembers: look before saying no.
                )
            elif command and (earlier := await self._carried_out(shard, command)):
                return earlier
            elif refused:
                raise refused
            else:
                # The messages were read after the state and may be newer: answer with what is as new.
                return Changed(await self.load(shard, conversation_id) if about else known.state, None)
        raise Contended(attempts=ATTEMPTS)

    async def settle(self, shard: int, conversation_id: UUID) -> Conversation | None:
        """After erasing and anonymising: no snapshot of what was before is left, and none that another
        process is just about to save can come to lie over the one that is saved here."""
        state = await self.load(shard, conversation_id)
        if state is not None and state.version >= SNAPSHOT_EVERY:
            await self._save(shard, state)
        else:
            async with self._pool.connection() as connection:
                given = {"shard": shard, "conversation_id": conversation_id}
                await connection.execute(FORGET_SNAPSHOT, given)
        return state

    async def _append(
        self,
        caller: Caller,
        shard: int,
        conversation_id: UUID,
        known: Known,
        events: Sequence[Stored],
        command: CommandKey | None,
        as_user: str | None,
        free_on: Conversation | None,
    ) -> Changed:
        """`free_on` is the stored state since which others may have stored something; then it goes behind."""
        before = known.state
        # What comes late to an anonymised conversation must not tell whose it was.
        named = before is None or not before.anonymised
        append = append_of(
            shard,
            conversation_id,
            events,
            datetime.now(UTC),
            user_id=as_user or (before.user_id if before else caller.user_id),
            actor=caller.actor if named else None,
            request_id=caller.request_id if named else None,
            expected=before.version if before else 0,
            based_on=known.pending,
            free_since=free_on.version if free_on else None,
            command=command,
        )
        key, after = (shard, conversation_id), foreseen(before, append)
        self._memory.decided(key, known, after, append)
        try:
            appended = await self.store.append(append)
        except BaseException:
            # Cancelled, it may be stored all the same: whoever comes next finds the outcome in the append.
            if append.outcome is not None:
                self._memory.forget(key, append)
            raise
        if appended.repeated:
            self._memory.forget(key, append)
            return await self._carried_out_as(shard, appended)
        if free_on and appended.version != after.version:
            try:
                with once_stored():
                    after = await self._caught_up(shard, free_on, appended.version)
            except AnswerLost:
                self._memory.forget(key, append)
                raise
        self._memory.confirm(key, after, append)
        if appended.version // SNAPSHOT_EVERY != (appended.version - len(events)) // SNAPSHOT_EVERY:
            self._save_later(shard, after)
        return Changed(after, appended, events, append.recorded_at)

    async def _carried_out(self, shard: int, command: CommandKey) -> Changed | None:
        async with self._pool.connection() as connection:
            stored = await stored_command(connection, shard, command.id)
        if stored is None:
            return None
        if stored.digest != command.digest:
            raise CommandReused
        last = stored.size - 1
        appended = Appended(
            stored.conversation_id, stored.version + last, stored.position + last, stored.size, repeated=True
        )
        return await self._carried_out_as(shard, appended)

    async def _carried_out_as(self, shard: int, appended: Appended) -> Changed:
        with once_stored():
            return Changed(await self.load(shard, appended.conversation_id), appended)

    async def _caught_up(self, shard: int, since: Conversation, version: int) -> Conversation:
        """With what others have stored, up to this version at least. Those who were put behind it together
        look together."""
        key, state = (shard, since.id), since
        while state.version < version:
            looking = self._catching_up.get(key)
            if looking is None:
                looking = self._catching_up[key] = asyncio.create_task(self._newest(key, since))
            state = await asyncio.shield(looking)
        return state

    async def _newest(self, key: Key, since: Conversation) -> Conversation:
        state, more = since, True
        try:
            async with self._pool.connection() as connection:
                while more:
                    page = await conversation_after(connection, *key, state.version, PAGE)
                    state, more = fold(page, state) or since, len(page) == PAGE
            return state
        finally:
            del self._catching_up[key]

    async def _load(self, shard: int, conversation_id: UUID) -> Known:
        state = self._memory.stored((shard, conversation_id))
        async with self._pool.connection() as connection:
            if state is None:
                cursor = await connection.execute(
                    SNAPSHOT, {"shard": shard, "conversation_id": conversation_id, "shape": SHAPE}
                )
                row = await cursor.fetchone()
                state = msgspec.json.decode(row[0], type=Conversation) if row else None
            since = state.version if state else 0
            while True:
                page = await conversation_after(
                    connection, shard, conversation_id, state.version if state else 0, PAGE
                )
                state = fold(page, state)
                if len(page) < PAGE:
                    break
        if state is not None and state.version - since >= SNAPSHOT_EVERY:
            self._save_later(shard, state)
        return self._memory.found((shard, conversation_id), state)

    def _save_later(self, shard: int, state: Conversation) -> None:
        task = asyncio.create_task(self._save(shard, state))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _save(self, shard: int, state: Conversation) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(
                SAVE_SNAPSHOT,
                {
                    "shard": shard,
                    "conversation_id": state.id,
                    "version": state.version,
                    "shape": SHAPE,
                    "state": msgspec.json.encode(state),
                },
            )


def is_of(state: Conversation | None, caller: Caller) -> bool:
    return state is not None and state.user_id == caller.user_id


def depends_on_messages_only(
    events: Sequence[Event], base: Conversation | None, state: Conversation | None
) -> bool:
    """What is decided about messages looks at nothing else of a conversation than what is asked here."""
    if base is None or state is None:
        return False
    return stands_alike(base, state) and all(isinstance(each, ABOUT_MESSAGES) for each in events)


def foreseen(before: Conversation | None, append: Append) -> Conversation:
    """The state once the append is stored: positions are not known yet, and the state does not hold them."""
    state, at = before, append.recorded_at
    for version, each in enumerate(append.events, start=(append.expected or 0) + 1):
        event = Recorded(append.shard, 0, append.conversation_id, version, each.event, at, append.user_id)
        state = evolve(state, event)
    if state is None:
        raise ValueError("an append without events")
    return state
