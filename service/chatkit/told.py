"""What the responder is told of things that a person did without a message: answers to a form, a client's
tool that ran."""

import json

from chatkit.types import (
    AssistantMessageItem,
    ClientToolCallItem,
    StructuredInputItem,
    ThreadItem,
    UserMessageItem,
)

from projections.history import Said
from service.chatkit.items import text_of


def told_of(newest_first: list[ThreadItem]) -> Said | None:
    """Of what came after the last message. None where nothing did that a model could know what to do with."""
    since = list[str]()
    for item in newest_first:
        if isinstance(item, UserMessageItem | AssistantMessageItem):
            break
        if words := words_of(item):
            since.append(words)
    return Said("user", "\n\n".join(reversed(since))) if since else None


def words_of(item: ThreadItem) -> str | None:
    match item:
        case ClientToolCallItem(status="completed", name=name, output=output):
            return f"{name}: {json.dumps(output, ensure_ascii=False)}"
        case StructuredInputItem(status="answered"):
            return text_of(item)
        case StructuredInputItem(status="skipped"):
            return f"{text_of(item)}\n(I would rather not say.)"
        case _:
            return None
