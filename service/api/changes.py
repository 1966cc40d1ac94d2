"""What happens in a user's conversations, as it happens: for pages that are open in several places."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from service.api.answering import examples
from service.api.answering.cursors import decode, encode
from service.api.answering.documented import CURSOR, parameter
from service.api.answering.examples import gives
from service.api.answering.sse import EventStream, event
from service.api.asking.asking import Asking
from service.api.asking.room import STREAMS
from service.store.watched import Change, Heard, Missed

KIND: Final = "changes"
PLACE: Final = tuple[int]
HEARTBEAT: Final = b": nothing new\n\n"
HEARTBEAT_EVERY: Final = 25.0
"""Seconds. It is all that an idle listener costs; proxies wait for 50 and more."""


class ChangeNotice(Struct, frozen=True):
    conversation_id: UUID
    version: int
    topic: str
    """What happened: `message_added`, `conversation_renamed`, …"""


class Nothing(Struct, frozen=True):
    pass


STREAM: Final = """\
event: watching
id: {before}
data: {{}}

event: change
id: {after}
data: {{"conversation_id":"{conversation}","version":4,"topic":"message_added"}}

""".format(
    before=encode(KIND, "user123", (1808,)),
    after=encode(KIND, "user123", (1809,)),
    conversation=examples.CONVERSATION_ID,
)


@get(
    "/api/changes",
    opt=STREAMS,
    tags=["conversations"],
    summary="Hear of what happens in a user's conversations",
    responses={
        **gives(200, ChangeNotice, {}, "", examples.STREAMED),
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/event-stream",
            description="The events `watching`, `change`… and `look-again`; each has an id to go on from.",
            examples=[Example(value=STREAM)],
        ),
    },
)
async def changes(
    asking: NamedDependency[Asking],
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID",
            description="The id of the last event that was heard; without it, from now on.",
            schema_extra=parameter(CURSOR),
        ),
    ] = None,
) -> ASGIResponse:
    """In any of them, whoever did it and through whichever worker. It says what happened, and not what was
    said: whoever wants to know reads. `look-again` says that something may be gone."""
    caller = asking.caller()
    shard, watched = asking.shard_of(caller), asking.hansard.changes
    after = await watched.head(shard) if not last_event_id else place_in(caller.user_id, last_event_id)
    heard = watched.after(shard, caller.user_id, after, HEARTBEAT_EVERY)
    return EventStream(told(caller.user_id, after, heard))


def place_in(user_id: str, last_event_id: str) -> int:
    position: int = decode(KIND, user_id, last_event_id, PLACE)[0]
    return position


async def told(user_id: str, after: int, heard: AsyncIterator[Heard]) -> AsyncIterator[bytes]:
    yield event("watching", encode(KIND, user_id, (after,)), Nothing())
    async for changes in heard:
        yield b"".join(told_of(user_id, each) for each in changes) or HEARTBEAT


def told_of(user_id: str, change: Change | Missed) -> bytes:
    """What may have been hers: whose it was that is erased now, nobody can tell any more."""
    place = encode(KIND, user_id, (change.position,))
    if isinstance(change, Missed) or change.user_id is None:
        return event("look-again", place, Nothing())
    return event("change", place, ChangeNotice(change.conversation_id, change.version, change.name))


HANDLERS: Final = (changes,)
