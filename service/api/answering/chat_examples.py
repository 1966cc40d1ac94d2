"""What the API document shows of a chat."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from domain.errors import Refusal
from service.api.answering import examples
from service.replies.errors import ReplyInProgress, TooManyReplies
from service.responder import ResponderFailed, ResponderTimedOut

QUESTION, REPLY = examples.SESSION_MESSAGES
STORED_REPLY: Final[dict[str, Any]] = REPLY | {"status": "complete", "in_reply_to": examples.QUESTION_ID}
ANSWER: Final[dict[str, Any]] = {
    "success": True,
    "session_id": examples.CONVERSATION_ID,
    "message": QUESTION,
    "reply": STORED_REPLY,
    "version": 3,
    "position": examples.NEWER,
}
STOPPED: Final = {
    "success": True,
    "stopped": True,
    "reply": STORED_REPLY | {"content": "330 metres,", "status": "interrupted"},
}
PLAIN: Final = {"reply": REPLY["content"], "conversation_id": examples.CONVERSATION_ID}


def event(name: str, place: str, data: Any) -> str:
    return f"event: {name}\nid: {examples.ANSWER_ID}:{place}\ndata: {msgspec.json.encode(data).decode()}\n\n"


STREAM: Final = "".join(
    (
        event(
            "session",
            "0",
            {
                "session_id": examples.CONVERSATION_ID,
                "message_id": examples.QUESTION_ID,
                "reply_id": examples.ANSWER_ID,
            },
        ),
        event("delta", "11", {"text": "330 metres,"}),
        event("delta", "30", {"text": " antennas included."}),
        event("done", "end", ANSWER),
    )
)


def refused(unknown: Sequence[Refusal]) -> tuple[Sequence[Refusal], ...]:
    """What keeps a turn from beginning, and what keeps it from ending well."""
    return (
        unknown,
        unknown,
        examples.BODY,
        examples.ERASED,
        (*examples.ENDED, ReplyInProgress()),
        (TooManyReplies(limit=8),),
        (ResponderFailed(why="it answered 500 Internal Server Error"),),
        (ResponderTimedOut(why="it was silent for 60 s"),),
    )
