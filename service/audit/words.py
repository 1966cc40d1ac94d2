"""An event as a sentence, for people who read the record: what happened, to what, and what was there before.

A sentence quotes the beginning of what was said; the event beside it has all of it.
"""

from typing import Any, Final, Literal, assert_never, cast

from domain.content import same_json
from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationEvent,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from domain.message import Message
from domain.recorded import Foreign, Recorded, Redacted, Unreadable
from service.audit.before_and_after import PastState

Redaction = Literal["erased", "anonymised"]

QUOTED: Final = 160
"""Characters; what is longer is cut."""
WITHOUT_WORDS: Final = {
    "conversation_started": "The conversation was started",
    "message_added": "A message was added",
    "message_revised": "A message was changed",
    "message_removed": "A message was removed",
    "message_rated": "A message was rated",
    "reply_failed": "A reply failed",
    "conversation_renamed": "The title was changed",
    "metadata_changed": "The metadata was changed",
    "conversation_linked": "The conversation was linked to something",
    "conversation_unlinked": "A link was removed",
    "session_ended": "The session was ended",
    "session_reopened": "The session was reopened",
    "conversation_anonymised": "The conversation was anonymised",
    "conversation_erased": "The conversation was erased",
}
SPEAKERS: Final = {
    "assistant": "The assistant",
    "system": "The system",
    "developer": "The developer",
    "tool": "The tool",
    "critic": "The critic",
    "discriminator": "The discriminator",
}
DID: Final[dict[tuple[str, str | None], str]] = {
    ("approval", "user"): "answered a request for approval",
    ("approval", None): "asked for approval",
    ("generated_image", None): "made an image",
    ("instructions", None): "gave instructions",
    ("item", None): "added an item",
    ("reasoning", None): "reasoned",
    ("tool_call", None): "called a tool",
    ("tool_output", None): "returned an output",
}
"""In a message of each kind, by a role or by anybody; any other kind is called by its name."""
THINGS: Final = {
    "approval": "The approval",
    "instructions": "The instructions",
    "item": "The item",
    "reasoning": "The reasoning",
    "tool_call": "The tool call",
    "tool_output": "The tool's output",
}
"""What was not said by anybody."""
WHY_WITHOUT: Final[dict[Redaction, str]] = {
    "erased": "the words were erased",
    "anonymised": "what it held was taken out when the conversation was anonymised",
}


def in_words(recorded: Recorded, before: PastState | None = None, redaction: Redaction = "erased") -> str:
    """Before is what stood before it, where that is known. Redaction is what emptied the conversation's
    events, if this one is empty."""
    match recorded.event:
        case Redacted() as redacted:
            happened = WITHOUT_WORDS.get(redacted.name, f"{redacted.name} was recorded")
            return f"{happened}; {WHY_WITHOUT[redaction]}"
        case Foreign(topic=topic):
            return f"Another application recorded {topic}"
        case Unreadable(topic=topic, error=error):
            return f"{topic} was recorded, which this version of Hansard cannot read: {error}"
        case event:
            return happened_in(cast(ConversationEvent, event), recorded.user_id, before)


def happened_in(event: ConversationEvent, user_id: str | None, before: PastState | None) -> str:
    match event:
        case ConversationStarted():
            return f"The conversation{called(event.title)} was started{by_name(event.name)}{tied_to(event)}"
        case MessageAdded():
            return added(event, user_id)
        case MessageRevised():
            return revised(event, message_in(before, event.message_id), user_id)
        case MessageRemoved():
            return f"{what_was_said(message_in(before, event.message_id), user_id)} was removed"
        case MessageRated():
            return rated(event, message_in(before, event.message_id), user_id)
        case ReplyFailed():
            return f"A reply failed: {event.reason}"
        case ConversationRenamed():
            return f"The title was {moved(before.title if before else None)} {quote(event.title)}"
        case MetadataChanged():
            return f"The metadata was changed{difference(before.metadata, event.metadata) if before else ''}"
        case ConversationLinked():
            return f"The conversation was linked to {event.link.kind} {event.link.target}"
        case ConversationUnlinked():
            return f"The link to {event.link.kind} {event.link.target} was removed"
        case SessionEnded():
            return f"The session was ended{because(event.reason)}"
        case SessionReopened():
            return f"The session was reopened{because(event.reason)}"
        case ConversationAnonymised():
            return f"The conversation was anonymised for {event.requested_by}{because(event.reason)}"
        case ConversationErased():
            return f"The conversation was erased for {event.requested_by}{because(event.reason)}"
        case _:
            assert_never(event)


def added(event: MessageAdded, user_id: str | None) -> str:
    speaker = (user_id or "The user") if event.role == "user" else SPEAKERS.get(event.role, "Someone")
    if event.kind != "message":
        did = DID.get((event.kind, event.role)) or DID.get((event.kind, None), f"added a {event.kind}")
        return f"{speaker} {did}" + (f": {quote(event.content)}" if event.content else "")
    if event.status == "interrupted":
        return f"{speaker} was interrupted after saying {quote(event.content)}"
    return f"{speaker} said {quote(event.content)}"


def revised(event: MessageRevised, before: Message | None, user_id: str | None) -> str:
    if before is None:
        return f"A message was changed to {quote(event.content)}"
    said = what_was_said(before, user_id)
    if before.content != event.content:
        return f"{said} was changed to {quote(event.content)}"
    parts = {
        "kind": before.kind != event.kind,
        "metadata": not same_json(before.metadata, event.metadata),
        "status": before.status != event.status,
        "payload": before.payload != event.payload,
    }
    others = listed([name for name, changed in parts.items() if changed]) or "record"
    return f"{said} was kept in its words; its {others} changed"


def rated(event: MessageRated, before: Message | None, user_id: str | None) -> str:
    earlier = before.rating if before else None
    how = f"rated {quote(event.rating)}" + (f" instead of {quote(earlier)}" if earlier else "")
    comment = f", with the comment {quote(event.comment)}" if event.comment else ""
    return f"{what_was_said(before, user_id)} was {how}{comment}"


def what_was_said(message: Message | None, user_id: str | None) -> str:
    if message is None:
        return "A message"
    if (what := THINGS.get(message.kind)) is not None:
        return f"{what}, {quote(message.content)}," if message.content else what
    speaker = (user_id or "the user") if message.role == "user" else "the assistant"
    return f"What {speaker} said, {quote(message.content)},"


def message_in(before: PastState | None, message_id: str) -> Message | None:
    return before.message(message_id) if before else None


def moved(earlier: str | None) -> str:
    return "set to" if earlier is None else f"changed from {quote(earlier)} to"


def difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """By their names alone: values may be large."""
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    changed = [name for name in after if name in before and not same_json(after[name], before[name])]
    parts = {"added": added, "removed": removed, "changed": changed}
    told = ", ".join(f"{listed(names)} {how}" for how, names in parts.items() if names)
    return f": {excerpt(told)}" if told else ""


def tied_to(started: ConversationStarted) -> str:
    ties = listed([f"{link.kind} {link.target}" for link in started.links])
    return f", linked to {ties}" if ties else ""


def by_name(name: str | None) -> str:
    return "" if name is None else f" by the name {quote(name)}"


def called(title: str | None) -> str:
    return "" if title is None else f" {quote(title)}"


def because(reason: str | None) -> str:
    return f": {excerpt(reason)}" if reason else ""


def listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def quote(text: str) -> str:
    return f"“{excerpt(text)}”"


def excerpt(text: str) -> str:
    """On one line, however it was written."""
    line = " ".join(text[: QUOTED * 4].split(maxsplit=QUOTED))
    return line if len(line) <= QUOTED and len(text) <= QUOTED * 4 else line[:QUOTED].rstrip() + "…"
