"""A process that appends without end and writes down, a line each, what it asked for and what it was told.

For a while each append has a key, by which it is asked again where nobody knows whether it was stored, and
for a while none has one. With `shared`, all such processes write to the same conversations, and believe what
they remember of the log however often it was stale. It ends when its input does; or when somebody kills it,
which is what it is for.
"""

import asyncio
import json
import os
import random
import sys
import time
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg
from psycopg_pool import PoolTimeout

from domain.errors import ConversationAlreadyStarted, Refusal
from domain.events import MessageAdded
from service import commands
from service.commands import Terms
from service.hansard import Hansard
from service.settings.settings import Settings
from service.store import remembered
from service.store.append import CommandKey
from service.store.errors import OutcomeUnknown, StoreIsBusy, StoreUnavailable
from service.store.observer import Look, Observer
from service.store.repository import Caller, Changed

TASKS = 16
USERS = [f"user {number}" for number in range(TASKS // 2)]
"""Each asks for two things at a time."""
SHARED = UUID(int=2)
EACH = 3
"""So many conversations has each user where they are shared."""
A_WHILE = 0.1
"""A batch in which one has a key is never stored without a look at the log."""
PAUSE = 0.02
"""Before what was not answered is asked again."""


class TellingOfStaleOnes(Observer):
    def looked(self, how: Look) -> None:
        if how == "stale":
            tell(stale=True)


async def main(dsn: str, patience: float, patience_in_doubt: float, shared: bool) -> None:
    if shared:
        remembered.PROOFS = 0  # type: ignore[misc]
    settings = Settings(patience=patience, patience_in_doubt=patience_in_doubt)
    asking = asyncio.Event()
    asking.set()
    hansard = Hansard(settings, dsn, TellingOfStaleOnes())
    await hansard.start()
    try:
        callers = [Caller(user) for user in USERS for _ in range(2)]
        theirs: dict[str, list[UUID]] = {caller.user_id: [] for caller in callers}
        busy = [
            asyncio.create_task(append_for_ever(hansard, asking, caller, theirs[caller.user_id], shared))
            for caller in callers
        ]
        await asyncio.to_thread(sys.stdin.read)
        asking.clear()
        await asyncio.gather(*busy)
    finally:
        await hansard.stop()
    tell(stopped=True)


async def append_for_ever(
    hansard: Hansard, asking: asyncio.Event, caller: Caller, conversations: list[UUID], shared: bool
) -> None:
    """Two callers share their conversations, and get in each other's way."""
    while asking.is_set():
        messages = [
            MessageAdded(message_id=str(uuid4()), role="user", content="poll " * random.randint(1, 50))  # noqa: S311
            for _ in range(random.randint(2, 3))  # noqa: S311
        ]
        if shared:
            conversation_id = uuid5(SHARED, f"{caller.user_id} {random.randrange(EACH)}")  # noqa: S311
            new = conversation_id not in conversations
        else:
            new = not conversations or random.random() < 0.05  # noqa: S311
            conversation_id = uuid4() if new else random.choice(conversations)  # noqa: S311
        name = uuid4()
        has_key = time.monotonic() % (2 * A_WHILE) < A_WHILE
        command = CommandKey(name, conversation_id.bytes) if has_key else None
        tell(
            asked=str(name),
            user=caller.user_id,
            conversation=str(conversation_id),
            messages=[message.message_id for message in messages],
        )
        is_there = await answered(hansard, caller, conversation_id, new, messages, name, command)
        if is_there and conversation_id not in conversations:
            conversations.append(conversation_id)


async def answered(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    new: bool,
    messages: list[MessageAdded],
    name: UUID,
    command: CommandKey | None,
) -> bool:
    """Whether the conversation is there. What nobody knows is asked again, by the same command."""
    while True:
        try:
            changed = await ask(hansard, caller, conversation_id, new, messages, command)
        except (StoreUnavailable, StoreIsBusy) as refusal:
            tell(refused=str(name), why=type(refusal).__name__)
            await asyncio.sleep(PAUSE)
            return False
        except (OutcomeUnknown, psycopg.Error, PoolTimeout) as unknown:
            tell(unknown=str(name), why=f"{type(unknown).__name__}: {unknown}")
            if command is None:
                return False
            await asyncio.sleep(PAUSE)
        except ConversationAlreadyStarted as refusal:
            tell(refused=str(name), why=type(refusal).__name__)
            return True
        except Refusal as refusal:
            tell(wrong=str(name), why=f"{type(refusal).__name__}: {refusal}")
            return False
        else:
            assert changed.appended
            appended = changed.appended
            tell(
                done=str(name),
                version=appended.version,
                position=appended.position,
                size=appended.size,
                repeated=appended.repeated,
            )
            return True


async def ask(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    new: bool,
    messages: list[MessageAdded],
    command: CommandKey | None,
) -> Changed:
    if new:
        return await commands.start_conversation(
            hansard.repository,
            caller,
            conversation_id=conversation_id,
            first_messages=messages,
            terms=Terms(command=command),
        )
    return await commands.add_messages(
        hansard.repository, caller, conversation_id, messages, ids_are_new=True, terms=Terms(command=command)
    )


def tell(**line: Any) -> None:
    """One write a line: a kill leaves whole lines."""
    os.write(1, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "shared"))
