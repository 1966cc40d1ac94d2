"""What the API document shows of an operation: its answer by example, and what it can refuse.

No example holds a null: it would be left out of the document.
"""

from collections.abc import Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct

from domain.errors import (
    CommandReused,
    ConversationIsErased,
    ConversationNotFound,
    NameTooLong,
    Refusal,
    SessionHasEnded,
    VersionConflict,
)
from service.api.answering.cursors import encode
from service.api.answering.errors import (
    BadCursor,
    BodyNotJson,
    BodyNotTaken,
    BodyTooLong,
    BodyTooSlow,
    NoRoom,
    NoRoomForStreams,
    NotAuthenticated,
    NotYourUser,
    RecordRestored,
    ScopeMissing,
    TooManyRequests,
    TooManyStreams,
    TooMuchAtOnce,
)
from service.api.answering.paging import CONVERSATIONS, position_as_cursor
from service.api.answering.problems import details_of
from service.store.errors import StoreUnavailable

CONVERSATION_ID: Final = "0198c2a4-7d30-7b61-9c4e-2f8a51d0e7b3"
QUESTION_ID: Final = "0198c2a4-7d31-7f02-8a19-6be4c07d5f18"
ANSWER_ID: Final = "0198c2a4-8a4c-7a77-b3d5-90e1f26c8a42"
OLDER: Final = position_as_cursor("user123", 1807)
NEWER: Final = position_as_cursor("user123", 1809)
NEXT: Final = encode(CONVERSATIONS, "user123", (1809,))
ASKED_AT: Final = "2026-03-14T09:26:53.589793Z"
ANSWERED_AT: Final = "2026-03-14T09:26:55.358979Z"
LINK: Final = {"kind": "opportunity", "id": "opp_42"}

SESSION: Final = {
    "id": CONVERSATION_ID,
    "user_id": "user123",
    "created_at": ASKED_AT,
    "updated_at": ANSWERED_AT,
    "is_active": True,
    "title": "How tall is the Eiffel Tower?",
    "message_count": 2,
    "session_data": {"channel": "web"},
    "name": "thr_42",
}
SESSION_MESSAGES: Final = [
    {
        "id": QUESTION_ID,
        "session_id": CONVERSATION_ID,
        "user_id": "user123",
        "role": "user",
        "content": "How tall is the Eiffel Tower?",
        "timestamp": ASKED_AT,
        "is_fortune": False,
        "metadata": {},
    },
    {
        "id": ANSWER_ID,
        "session_id": CONVERSATION_ID,
        "user_id": "user123",
        "role": "assistant",
        "content": "330 metres, antennas included.",
        "timestamp": ANSWERED_AT,
        "is_fortune": False,
        "metadata": {},
    },
]
SUMMARY: Final = {
    "id": CONVERSATION_ID,
    "user_id": "user123",
    "title": "How tall is the Eiffel Tower?",
    "created_at": ASKED_AT,
    "updated_at": ANSWERED_AT,
    "ended": False,
    "message_count": 2,
    "metadata": {"channel": "web"},
    "version": 3,
    "name": "thr_42",
}
CONVERSATION: Final = SUMMARY | {"links": [LINK], "position": NEWER}
QUESTION: Final = {
    "id": QUESTION_ID,
    "conversation_id": CONVERSATION_ID,
    "user_id": "user123",
    "role": "user",
    "kind": "message",
    "content": "How tall is the Eiffel Tower?",
    "timestamp": ASKED_AT,
    "is_fortune": False,
    "metadata": {},
    "status": "complete",
    "tags": [],
    "version": 2,
}
ANSWER: Final = QUESTION | {
    "id": ANSWER_ID,
    "role": "assistant",
    "content": "330 metres, antennas included.",
    "timestamp": ANSWERED_AT,
    "version": 3,
    "in_reply_to": QUESTION_ID,
}
CALL_ID: Final = "fc_0198c2a47d3a7c15a8e3f0b1c2d3e4f5"
CALL: Final = {
    "type": "function_call",
    "id": CALL_ID,
    "call_id": "call_1",
    "name": "height_of",
    "arguments": '{"tower":"Eiffel"}',
    "status": "completed",
}

BAD: Final = (BadCursor(), NameTooLong(field="title", size=300, limit=255))
NOBODY: Final = (NotAuthenticated(why="There is no token"),)
ANOTHER: Final = (NotYourUser(),)
MAY_NOT: Final = (ScopeMissing(scope="audit"),)
UNKNOWN: Final = (ConversationNotFound(),)
CONFLICT: Final = (VersionConflict(current_version=5, expected_version=3), CommandReused())
ENDED: Final = (*CONFLICT, SessionHasEnded())
NO_BODY: Final = (BodyNotTaken(),)
BODY: Final = (
    BodyNotJson(content_type="text/plain"),
    BodyTooLong(limit=20_000_000),
    BodyTooSlow(limit=60),
    TooMuchAtOnce(),
)
ERASED: Final = (ConversationIsErased(),)
TOO_OFTEN: Final = (TooManyRequests(limit=600, retry_after=3),)
AWAY: Final = (StoreUnavailable(why="the connection was refused", retry_after=1), NoRoom(limit=7_200))
RESTORED: Final = (RecordRestored(what="This Last-Event-ID"),)
STREAMED: Final = (TooManyStreams(limit=64), NoRoomForStreams(limit=6_000))


class ProblemDetails(Struct, frozen=True):
    """What every error is, in the media type application/problem+json."""

    type: str
    title: str
    status: int
    detail: str


def gives(
    status: int, shape: type[Struct], example: Any, description: str, *refusals: Sequence[Refusal]
) -> dict[int, ResponseSpec]:
    return {status: shown(shape, example, description), **refuses(*with_the_usual(*refusals))}


def shown(shape: type[Struct], example: Any, description: str) -> ResponseSpec:
    return ResponseSpec(
        shape, generate_examples=False, description=description, examples=[Example(value=example)]
    )


def with_the_usual(*refusals: Sequence[Refusal]) -> Sequence[Sequence[Refusal]]:
    """What every operation may refuse."""
    return (BAD, NOBODY, ANOTHER, *refusals, TOO_OFTEN, AWAY)


def refuses(*refusals: Sequence[Refusal]) -> dict[int, ResponseSpec]:
    problems = sorted(map(problem, chain.from_iterable(refusals)), key=itemgetter("status"))
    return {status: refused(list(told)) for status, told in groupby(problems, itemgetter("status"))}


def refused(problems: Sequence[dict[str, Any]]) -> ResponseSpec:
    return ResponseSpec(
        ProblemDetails,
        generate_examples=False,
        description=" ".join(dict.fromkeys(each["title"] + "." for each in problems)),
        media_type="application/problem+json",
        examples=[Example(summary=each["title"], value=each) for each in problems],
    )


def problem(refusal: Refusal) -> dict[str, Any]:
    told = details_of(refusal)
    extra = told.extra if isinstance(told.extra, dict) else {}
    return {
        "type": told.type_,
        "title": told.title,
        "status": told.status_code,
        "detail": told.detail,
        **extra,
    }
