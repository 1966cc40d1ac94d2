"""A message of ChatGPT as a message of the record.

What is plain words is kept as such. What is more (images, tools, files, thoughts) becomes readable text, and
the message itself is kept beside it, whole, as its payload. What was not shown to the user has a kind
of its own: it stands on the record, and neither clients nor a responder are told it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.content import Limits, check_message
from domain.errors import Refusal
from domain.events import MessageAdded, Payload, Role, Status

SCHEMA: Final = "chatgpt.message"

SHOWN, CONTEXT, TOOL_CALL, TOOL_OUTPUT, REASONING = (
    "message",
    "context",
    "tool_call",
    "tool_output",
    "reasoning",
)

# Where the words are in each kind of content, in the order in which they are read.
WORDS: Final = {
    "text": ("parts",),
    "multimodal_text": ("parts",),
    "code": ("text",),
    "execution_output": ("text",),
    "computer_output": ("text", "url"),
    "system_error": ("name", "text"),
    "tether_browsing_display": ("result", "summary"),
    "tether_quote": ("title", "text", "url"),
    "user_editable_context": ("user_profile", "user_instructions"),
    "model_editable_context": ("model_set_context", "repository", "repo_summary"),
    "thoughts": ("thoughts",),
    "reasoning_recap": ("content",),
}
ANY_WORDS: Final = ("title", "parts", "text", "result", "content", "summary")
SPEAKERS: Final = ("user", "assistant")
NOT_SHOWN: Final = ("user_editable_context", "model_editable_context")
THOUGHTS: Final = ("thoughts", "reasoning_recap")

# What the words alone do not tell, of a message that is otherwise plain.
TELLING: Final = (
    "attachments",
    "citations",
    "content_references",
    "aggregate_result",
    "canvas",
    "user_context_message_data",
)
PLAIN: Final = {"content_type", "parts"}
UNFINISHED: Final = ("finished_partial_completion", "in_progress")
LONGEST_NAME: Final = 255


class Author(Struct, frozen=True):
    role: str = "assistant"
    name: str | None = None


class ExportedMessage(Struct, frozen=True):
    """What is read of a message; all of it may be missing."""

    id: str | None = None
    author: Author = Author()
    create_time: Any = None
    content: dict[str, Any] | str | None = None
    status: str | None = None
    weight: float | None = None
    metadata: dict[str, Any] | None = None
    recipient: str | None = None

    @property
    def content_type(self) -> str:
        found = self.content.get("content_type") if isinstance(self.content, dict) else None
        return found if isinstance(found, str) else "text"

    @property
    def about(self) -> Mapping[str, Any]:
        return self.metadata or {}

    @property
    def is_picture(self) -> bool:
        return self.content_type == "multimodal_text"

    @property
    def is_hidden(self) -> bool:
        return bool(self.about.get("is_visually_hidden_from_conversation")) or self.weight == 0


def read_message(original: Any) -> ExportedMessage:
    """What is null is as good as missing."""
    if isinstance(original, dict):
        original = {name: value for name, value in original.items() if value is not None}
    return msgspec.convert(original, ExportedMessage)


def added(
    message: ExportedMessage, message_id: str, original: dict[str, Any], limits: Limits
) -> tuple[MessageAdded | None, str]:
    """The event, None if the message says nothing; and what of it could not be kept, if anything."""
    content = text_of(message)
    payload = payload_of(message, original)
    if not content and payload is None:
        return None, ""
    event = MessageAdded(
        message_id=message_id,
        role=role_of(message),
        content=content,
        kind=kind_of(message),
        metadata=metadata_of(message),
        status=status_of(message),
        payload=payload,
    )
    try:
        check_message(event, limits)
    except Refusal as refusal:
        if payload is None or not content:
            raise
        bare = replace(event, payload=None)
        check_message(bare, limits)
        return bare, str(refusal)
    return event, ""


def text_of(message: ExportedMessage) -> str:
    match message.content:
        case dict() as content:
            fields = WORDS.get(message.content_type, ANY_WORDS)
            said = "\n".join(words for field in fields if (words := words_of(content.get(field))))
            return said or ("" if message.content_type in WORDS else placeholder(content))
        case str() as text:
            return text
        case _:
            return ""


def words_of(value: Any) -> str:
    parts = value if isinstance(value, list) else [value]
    return "\n".join(words for part in parts if (words := words_of_part(part)))


def words_of_part(part: Any) -> str:
    """Of a text, a thought, an image, a recording."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    said = [part[field] for field in ("summary", "content", "text") if isinstance(part.get(field), str)]
    return "\n".join(filter(None, said)) or placeholder(part)


def placeholder(part: dict[str, Any]) -> str:
    """What stands where words cannot: `[image]`, `[image: a fox in the snow]`."""
    name = part.get("content_type")
    what = name.replace("_asset_pointer", "").replace("_", " ") if isinstance(name, str) else "something else"
    prompt = prompt_of(part)
    return f"[{what}: {prompt}]" if prompt else f"[{what}]"


def prompt_of(part: dict[str, Any]) -> str | None:
    match part:
        case {"metadata": {"dalle": {"prompt": str(prompt)}}}:
            return prompt
        case _:
            return None


def payload_of(message: ExportedMessage, original: dict[str, Any]) -> Payload | None:
    if not is_plain(message):
        return Payload(SCHEMA, original)
    if any(message.about.get(name) for name in TELLING):
        return Payload(SCHEMA, {name: value for name, value in original.items() if name != "content"})
    return None


def is_plain(message: ExportedMessage) -> bool:
    """Whether its words are all there is in it."""
    if not isinstance(message.content, dict):
        return True
    parts = message.content.get("parts") or []
    return (
        message.content.get("content_type", "text") == "text"
        and isinstance(parts, list)
        and len(parts) < 2
        and all(isinstance(part, str) for part in parts)
        and not message.content.keys() - PLAIN
    )


def role_of(message: ExportedMessage) -> Role:
    return "user" if message.author.role == "user" else "assistant"


def kind_of(message: ExportedMessage) -> str:
    if message.content_type in THOUGHTS:
        return REASONING
    if message.author.role == "tool":
        return SHOWN if message.is_picture and not message.is_hidden else TOOL_OUTPUT
    if message.author.role not in SPEAKERS or message.content_type in NOT_SHOWN or message.is_hidden:
        return CONTEXT
    if message.content_type == "code" or message.recipient not in (None, "all"):
        return TOOL_CALL
    return SHOWN


def metadata_of(message: ExportedMessage) -> dict[str, Any]:
    said = {
        "role": message.author.role if message.author.role not in SPEAKERS else None,
        "name": message.author.name,
        "recipient": message.recipient if message.recipient != "all" else None,
        "model": message.about.get("model_slug"),
    }
    return {name: value[:LONGEST_NAME] for name, value in said.items() if isinstance(value, str) and value}


def status_of(message: ExportedMessage) -> Status:
    return (
        "interrupted" if message.author.role == "assistant" and message.status in UNFINISHED else "complete"
    )
