"""A process that appends without end and writes down, a line each, what it asked for and what it was told.

It ends when its input does; or when somebody kills it, which is what it is for.
"""

import asyncio
import json
import os
import random
import sys
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg_pool import PoolTimeout

from domain.errors import Refusal
from domain.events import MessageAdded
from service import commands
from service.commands import Terms
from service.hansard import Hansard, running
from service.settings.settings import Settings
from service.store.append import CommandKey
from service.store.errors import OutcomeUnknown, StoreIsBusy, StoreUnavailable
from service.store.repository import Caller, Changed

TASKS = 16
PAUSE = 0.02
"""Before what was not answered is asked again."""


async def main(dsn: str, patience: float, patience_in_doubt: float) -> None:
    settings = Settings(patience=patience, patience_in_doubt=patience_in_doubt)
    asking = asyncio.Event()
    asking.set()
    async with running(settings, dsn) as hansard:
        callers = [Caller(f"user {number // 2}") for number in range(TASKS)]
        theirs: dict[str, list[UUID]] = {caller.user_id: [] for caller in callers}
        busy = [
            asyncio.create_task(append_for_ever(hansard, asking, caller, theirs[caller.user_id]))
            for caller in callers
        ]
        await asyncio.to_thread(sys.stdin.read)
        asking.clear()
        await asyncio.gather(*busy)
    tell(stopped=True)


async def append_for_ever(
    hansard: Hansard, asking: asyncio.Event, caller: Caller, conversations: list[UUID]
) -> None:
    """Two callers share their conversations, and get in each other's way."""
    while asking.is_set():
        messages = [
            MessageAdded(message_id=str(uuid4()), role="user", content="poll " * random.randint(1, 50))  # noqa: S311
            for _ in range(random.randint(2, 3))  # noqa: S311
        ]
        new = not conversations or random.random() < 0.05  # noqa: S311
        conversation_id = uuid4() if new else random.choice(conversations)  # noqa: S311
        command = CommandKey(uuid4(), conversation_id.bytes)
        tell(
            asked=str(command.id),
            conversation=str(conversation_id),
            messages=[message.message_id for message in messages],
        )
        if await answered(hansard, caller, conversation_id, new, messages, command) and new:
            conversations.append(conversation_id)


async def answered(
    hansard: Hansard,
    caller: Caller,
    conversation_id: UUID,
    new: bool,
    messages: list[MessageAdded],
    command: CommandKey,
) -> bool:
    """Whether it was stored. What nobody knows is asked again, by the same command."""
    while True:
        try:
            changed = await ask(hansard, caller, conversation_id, new, messages, command)
        except (StoreUnavailable, StoreIsBusy) as refusal:
            tell(refused=str(command.id), why=type(refusal).__name__)
            await asyncio.sleep(PAUSE)
            return False
        except (OutcomeUnknown, psycopg.Error, PoolTimeout) as unknown:
            tell(unknown=str(command.id), why=f"{type(unknown).__name__}: {unknown}")
            await asyncio.sleep(PAUSE)
        except Refusal as refusal:
            tell(wrong=str(command.id), why=f"{type(refusal).__name__}: {refusal}")
            return False
        else:
            assert changed.appended
            appended = changed.appended
            tell(
                done=str(command.id),
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
    command: CommandKey,
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
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
