"""Events of ADK as items, and back.

An event is kept whole, as its JSON, in the first of its items. They say the same in the shape that every
other surface understands: what was said, thought, called and returned.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from google.adk.events.event import Event
from google.genai.types import Content, Part

from service.agents.adk.answers import Entry, Item
from service.agents.adk.states import TEMP

WHOLE: Final = "adk_event"
"""Where an item has its event; and the type of one that shows nothing else."""
PART: Final = "adk_event_id"
"""Whose event an item is a part of, after the first."""


def whole(event: Event) -> dict[str, Any]:
    """Without what lasts no longer than an invocation. What JSON cannot hold in a state, ADK makes text."""
    data: dict[str, Any] = event.model_dump(mode="json", exclude_none=True)
    delta = data["actions"]["state_delta"]
    data["actions"]["state_delta"] = {key: delta[key] for key in delta if not key.startswith(TEMP)}
    return data


def items_of(event: Event, data: dict[str, Any]) -> list[Item]:
    parts = (event.content.parts if event.content else None) or []
    first, *others = list(shown(parts, event.author == "user")) or [{"type": WHOLE}]
    return [{**first, WHOLE: data}, *({**other, PART: event.id} for other in others)]


def event_in(entry: Entry) -> Event | None:
    """What was said through another surface reads as an event, too."""
    if (data := entry.item.get(WHOLE)) is not None:
        return Event.model_validate(data)
    if PART in entry.item or entry.kind != "message":
        return None
    user = entry.role == "user"
    return Event(
        id=entry.id,
        invocation_id=entry.id,
        author=entry.role,
        timestamp=entry.timestamp.timestamp(),
        content=Content(role="user" if user else "model", parts=[Part(text=entry.content)]),
    )


def shown(parts: Sequence[Part], by_user: bool) -> Iterator[Item]:
    said: list[Item] = []
    for part in parts:
        if (words := spoken(part, by_user)) is not None:
            said.append(words)
        elif (item := done(part)) is not None:
            yield from message(said, by_user)
            said = []
            yield item
    yield from message(said, by_user)


def message(said: list[Item], by_user: bool) -> Iterator[Item]:
    if said:
        yield {"type": "message", "role": "user" if by_user else "assistant", "content": said}


def spoken(part: Part, by_user: bool) -> Item | None:
    """Of an image or a file only that there is one: the event has it."""
    if part.text and not part.thought:
        return {"type": "input_text" if by_user else "output_text", "text": part.text}
    data = part.inline_data or part.file_data
    if data is None:
        return None
    if (data.mime_type or "").startswith("image/"):
        return {"type": "input_image"}
    return {"type": "input_file", "filename": data.display_name or data.mime_type or "file"}


def done(part: Part) -> Item | None:
    if part.text:
        return {"type": "reasoning", "summary": [{"type": "summary_text", "text": part.text}]}
    if (call := part.function_call) is not None:
        given = {"call_id": call.id or "", "name": call.name or "", "arguments": written(call.args or {})}
        return {"type": "function_call", **given}
    if (response := part.function_response) is not None:
        output = written(response.response or {})
        return {"type": "function_call_output", "call_id": response.id or "", "output": output}
    return None


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
