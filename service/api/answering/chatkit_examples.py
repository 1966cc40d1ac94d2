"""What the API document shows of ChatKit's protocol."""

from typing import Any, Final

import msgspec

from service.api.answering import examples

ASKED_AT: Final = "2026-03-14T09:26:53.589793"
ANSWERED_AT: Final = "2026-03-14T09:26:55.358979"
CREATE: Final[dict[str, Any]] = {
    "type": "threads.create",
    "params": {
        "input": {
            "content": [{"type": "input_text", "text": "How tall is the Eiffel Tower?"}],
            "attachments": [],
            "inference_options": {},
        }
    },
    "metadata": {"opportunity_id": "opp_42"},
}
LIST: Final[dict[str, Any]] = {"type": "threads.list", "params": {"limit": 20, "order": "desc"}}
THREAD: Final[dict[str, Any]] = {
    "id": examples.CONVERSATION_ID,
    "created_at": ASKED_AT,
    "status": {"type": "active"},
    "items": {"data": [], "has_more": False},
}
TITLED: Final[dict[str, Any]] = {"title": "How tall is the Eiffel Tower?"} | THREAD
LISTED: Final[dict[str, Any]] = {"data": [TITLED], "has_more": False}
QUESTION: Final[dict[str, Any]] = {
    "id": examples.QUESTION_ID,
    "thread_id": examples.CONVERSATION_ID,
    "created_at": ASKED_AT,
    "type": "user_message",
    **CREATE["params"]["input"],
}


def reply(*texts: str) -> dict[str, Any]:
    return {
        "id": examples.ANSWER_ID,
        "thread_id": examples.CONVERSATION_ID,
        "created_at": ANSWERED_AT,
        "type": "assistant_message",
        "content": [part(text) for text in texts],
    }


def part(text: str) -> dict[str, Any]:
    return {"annotations": [], "text": text, "type": "output_text"}


def updated(kind: str, **what: Any) -> dict[str, Any]:
    update = {"type": f"assistant_message.content_part.{kind}", "content_index": 0, **what}
    return {"type": "thread.item.updated", "item_id": examples.ANSWER_ID, "update": update}


TALL: Final = "330 metres, antennas included."
STREAM: Final = "".join(
    f"data: {msgspec.json.encode(event).decode()}\n\n"
    for event in (
        {"type": "thread.created", "thread": THREAD},
        {"type": "thread.item.done", "item": QUESTION},
        {"type": "stream_options", "stream_options": {"allow_cancel": True}},
        {"type": "thread.updated", "thread": TITLED},
        {"type": "thread.item.added", "item": reply()},
        updated("added", content=part("")),
        updated("text_delta", delta="330 metres,"),
        updated("text_delta", delta=" antennas included."),
        updated("done", content=part(TALL)),
        {"type": "thread.item.done", "item": reply(TALL)},
    )
)
