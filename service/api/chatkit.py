"""The support endpoint: ChatKit's protocol, or a plain message for whoever tries it out with curl."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from domain.content import check_link
from domain.events import Link
from projections import history
from service.api.answering import examples
from service.api.answering.chat_examples import PLAIN, refused
from service.api.answering.chatkit_examples import CREATE, LIST, LISTED, STREAM
from service.api.answering.examples import gives
from service.api.answering.problems import details_of
from service.api.answering.sse import HEARTBEAT, HEARTBEAT_EVERY, EventStream
from service.api.answering.wire import Sent, answer
from service.api.asking.asking import Writing
from service.api.asking.principal import from_header
from service.api.asking.recorded_reads import RecordedRead, say_that_it_reads
from service.api.asking.requests import log_the_unexpected
from service.api.asking.room import STREAMS
from service.chatkit.context import OPPORTUNITY
from service.chatkit.errors import OpportunityNotNamed
from service.replies.asked import asked
from service.replies.errors import NotAMessage
from service.store.names import as_id

if TYPE_CHECKING:
    from service.chatkit.run import ChatKitRun

READING: Final = {"threads.list", "threads.get_by_id", "items.list"}
"""The types of request that show what is on record."""
TRYING_AGAIN_HELPS: Final = {429, 500, 502, 503, 504}
encode: Final = msgspec.json.Encoder().encode


class PlainMessage(Sent, frozen=True, kw_only=True):
    message: str
    conversation_id: str | None = None
    user_id: str | None = None


class PlainReply(Struct, frozen=True):
    reply: str
    conversation_id: UUID


BODY: Final = BodyKwarg(
    examples=[
        Example(summary="A plain message", value={"message": "How tall is the Eiffel Tower?"}),
        Example(summary="ChatKit: a new thread", value=CREATE),
        Example(summary="ChatKit: the threads there are", value=LIST),
    ]
)
ANSWERS: Final = ResponseSpec(
    dict[str, Any],  # whatever its protocol says
    generate_examples=False,
    description="The reply to a plain message. A ChatKit request is answered as its protocol says: with "
    "JSON, or with server-sent events where something is replied.",
    examples=[
        Example(summary="To a plain message", value=PLAIN),
        Example(summary="ChatKit: the threads there are", value=LISTED),
        Example(summary="ChatKit: events", value=STREAM),
    ],
)
Opportunity = Annotated[
    str | None,
    HeaderParameter(
        name="X-Opportunity-Id",
        description="The opportunity that is active: a conversation that begins now is linked to it. A "
        "ChatKit request may say it in its metadata, as opportunity_id; the header counts more.",
    ),
]


@post(
    "/support/chatkit",
    opt=STREAMS,
    status_code=200,
    tags=["chatkit"],
    summary="Carry out a ChatKit request, or send a plain message",
    responses={
        **gives(
            200,
            PlainReply,
            PLAIN,
            "The reply; both are stored.",
            *refused(examples.UNKNOWN),
            examples.STREAMED,
        ),
        200: ANSWERS,
    },
)
async def support(
    data: Annotated[dict[str, Any], BODY],
    request: Request[Any, Any, Any],
    writing: NamedDependency[Writing],
    x_opportunity_id: Opportunity = None,
) -> ASGIResponse:
    """A body with a `type` is a request of ChatKit's; errors then come in its shape, an `error` event. It
    takes no Idempotency-Key: the protocol knows none."""
    opportunity = None if x_opportunity_id is None else from_header(x_opportunity_id)
    if "type" not in data:
        return await plain(data, writing, opportunity)
    try:
        return await chatkit(data, request, writing, opportunity)
    except Exception as failed:
        await log_the_unexpected(failed, request.scope)
        return refusal(failed)


async def plain(data: dict[str, Any], writing: Writing, opportunity: str | None) -> ASGIResponse:
    """With `conversation_id` the conversation goes on."""
    message = plain_in(data)
    named = message.conversation_id
    reached = None if named is None else await writing.reach(named, message.user_id)
    caller = writing.caller(message.user_id) if reached is None else reached.caller
    reply = await writing.hansard.replies.ask(
        asked(
            caller,
            message.message,
            conversation_id=None if reached is None else reached.id,
            links=[linked(opportunity)] if opportunity else [],
            terms=writing.terms(caller),
        )
    )
    stored = await reply.outcome()
    return answer(PlainReply(history.decode_text(stored.content), reply.conversation_id))


def plain_in(data: dict[str, Any]) -> PlainMessage:
    try:
        return msgspec.convert(data, PlainMessage)
    except msgspec.ValidationError:
        raise NotAMessage from None


def linked(opportunity: str) -> Link:
    link = Link(OPPORTUNITY, opportunity)
    check_link(link)
    return link


async def chatkit(
    data: dict[str, Any], request: Request[Any, Any, Any], writing: Writing, opportunity: str | None
) -> ASGIResponse:
    server = await writing.attachment.chatkit.server()
    thread_id = thread_in(data)
    known = None if thread_id is None else as_id(thread_id)
    caller = writing.caller() if known is None else (await writing.reach(str(known))).caller
    answered = await server.answer(await request.body(), caller, active(data, opportunity))
    if isinstance(answered, bytes):
        if data["type"] in READING:
            operation = f"POST {request.scope['path_template']} {data['type']}"
            if thread_id is not None and known is None:
                known = await writing.hansard.names.find(writing.shard_of(caller), caller.user_id, thread_id)
            say_that_it_reads(request.scope, RecordedRead(operation, caller.user_id, known))
        return ASGIResponse(body=answered)
    await heard_of(answered)
    return Events(answered)


def thread_in(data: dict[str, Any]) -> str | None:
    """The one that is meant; that it is the caller's is seen to where it is read."""
    params = data.get("params")
    thread_id = params.get("thread_id") if isinstance(params, dict) else None
    return thread_id if isinstance(thread_id, str) else None


def active(data: dict[str, Any], header: str | None) -> str | None:
    metadata = data.get("metadata")
    said = metadata.get("opportunity_id") if isinstance(metadata, dict) else None
    if said is not None and not isinstance(said, str):
        raise OpportunityNotNamed
    found = header or said or None
    return linked(found).target if found else None


async def heard_of(run: "ChatKitRun") -> None:
    """Nobody could listen any more, if this were cut off."""
    try:
        await run.begun()
    except BaseException:
        run.leave()
        raise


def refusal(failed: Exception) -> ASGIResponse:
    told = details_of(failed)
    return ASGIResponse(body=encode(error_event(failed)), status_code=told.status_code, headers=told.headers)


def error_event(failed: Exception) -> dict[str, Any]:
    """The one shape that the protocol has for errors."""
    told = details_of(failed)
    again = told.status_code in TRYING_AGAIN_HELPS
    return {"type": "error", "code": "custom", "message": told.detail, "allow_retry": again}


class Events(EventStream):
    """The events of a run, for as long as somebody listens."""

    def __init__(self, run: "ChatKitRun") -> None:
        super().__init__(events_of(run))
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._run.leave()


async def events_of(run: "ChatKitRun") -> AsyncIterator[bytes]:
    try:
        async for event in run.events(HEARTBEAT_EVERY):
            yield event or HEARTBEAT
    except Exception as failed:  # the answer has begun, so that its status says nothing any more
        yield b"data: %s\n\n" % encode(error_event(failed))


HANDLERS: Final = (support,)
