"""The record as a file, line by line."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Annotated, Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from litestar.response import Stream

from domain.content import LIMITS, check_name
from service.api.answering import examples
from service.api.answering.documented import A_CONVERSATION, USER_ID, parameter
from service.api.answering.examples import gives
from service.api.asking.asking import Asking
from service.api.asking.room import STREAMS
from service.transfer.file.export import export
from service.transfer.file.lines import MEDIA_TYPE, Header, Selection, encode

TAGS: Final = ["in and out"]
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Disposition": 'attachment; filename="hansard.jsonl"',
    "X-Accel-Buffering": "no",
}
LINES: Final = [
    {"format": "hansard.export", "version": 1, "selection": {"user_id": "user123"}},
    {
        "conversation_id": examples.CONVERSATION_ID,
        "version": 1,
        "recorded_at": examples.ASKED_AT,
        "user_id": "user123",
        "actor": "user123",
        "event": {"event": "conversation_started", "title": "The Eiffel Tower"},
    },
    {
        "conversation_id": examples.CONVERSATION_ID,
        "version": 2,
        "recorded_at": examples.ASKED_AT,
        "user_id": "user123",
        "actor": "user123",
        "event": {
            "event": "message_added",
            "message_id": examples.QUESTION_ID,
            "role": "user",
            "content": "How tall is the Eiffel Tower?",
        },
    },
    {
        "end": {
            "conversations": 1,
            "events": 2,
            "messages": 1,
            "sha256": "b3b1c6ad6cbc7e1ef4e7a4d7b8b4e5be0b1f7b0a9f7cbb3d7f0a1c1f6d5e4c3b",
        }
    },
]
SHOWN: Final = ResponseSpec(
    str,
    generate_examples=False,
    description="The file: a line each for what it is, for every event, and for how much it was.",
    media_type=MEDIA_TYPE,
    examples=[Example(value="".join(encode(line).decode() + "\n" for line in LINES))],
)


@get(
    "/api/export",
    opt=STREAMS,
    tags=TAGS,
    summary="The whole record, as a file that can be imported",
    media_type=MEDIA_TYPE,
    responses={**gives(200, Header, {}, "", examples.UNKNOWN, examples.STREAMED), 200: SHOWN},
)
async def exported(
    asking: NamedDependency[Asking],
    conversation_id: Annotated[
        str | None,
        QueryParameter(
            description="Only this conversation: its id, or its name.", schema_extra=A_CONVERSATION
        ),
    ] = None,
    after_user: Annotated[
        str | None,
        QueryParameter(
            description="Only the users after this one: what is missing of a file that was cut off.",
            schema_extra=parameter(USER_ID),
        ),
    ] = None,
) -> Stream:
    """A user's own, as it is at this moment; with the scope audit everybody's, unless a user is named. The
    lines are in the order of the users' ids, and each user's in the order in which it happened. If the last
    line does not come, the file is cut off: leave out the lines of its last user, and ask for what comes
    `after_user` the one before."""
    if after_user is not None:
        check_name("after_user", after_user, LIMITS.user_id)
    wanted = None if conversation_id is None else await asking.id_of(conversation_id)
    selection = Selection(await whose(asking, wanted), wanted, after_user)
    blocks = export(asking.hansard.database, selection)
    return Stream(await begun(blocks), media_type=MEDIA_TYPE, headers=HEADERS)


async def whose(asking: Asking, conversation_id: UUID | None) -> str | None:
    """None: everybody's."""
    if "audit" in asking.principal.scopes and asking.named is None:
        return None
    caller = asking.caller()
    if conversation_id is not None:
        await asking.conversation(caller, conversation_id)
    return caller.user_id


async def begun(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """With its first block read: a database that is away is told of by the answer's status."""
    thread = ThreadPoolExecutor(1, "hansard-export")
    loop = asyncio.get_running_loop()
    try:
        first = await loop.run_in_executor(thread, next, blocks, None)
    except BaseException:
        end(thread, blocks)
        raise
    return rest(first, blocks, thread)


async def rest(
    first: bytes | None, blocks: Iterator[bytes], thread: ThreadPoolExecutor
) -> AsyncIterator[bytes]:
    """The next block is read when the one before it was sent."""
    block = first
    try:
        while block is not None:
            yield block
            block = await asyncio.get_running_loop().run_in_executor(thread, next, blocks, None)
    finally:
        end(thread, blocks)


def end(thread: ThreadPoolExecutor, blocks: Iterator[bytes]) -> None:
    """Whoever read may have gone while a block was read: after it, in the same thread."""

    def close() -> None:
        with suppress(Exception):
            blocks.close()  # type: ignore[attr-defined]

    thread.submit(close)
    thread.shutdown(wait=False)


HANDLERS: Final = (exported,)
