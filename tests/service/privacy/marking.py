"""A user whose every word, name and id holds a marker: what is left of her shows wherever it is."""

from typing import Any
from uuid import UUID, uuid4

import httpx

from domain.events import (
    ConversationLinked,
    ConversationRenamed,
    Event,
    Link,
    MessageAdded,
    MessageRated,
    MessageRevised,
    MetadataChanged,
    Payload,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from service import commands
from service.hansard import Hansard
from service.store.repository import Caller

MARKER = "xyzzy"
USER = f"user-{MARKER}-1"
OTHER = "bob"


def said(number: int, marker: str = MARKER) -> MessageAdded:
    role: Any = "user" if number % 2 == 0 else "assistant"
    return MessageAdded(
        message_id=f"{marker}-{number}",
        role=role,
        content=f"the secret {marker} number {number}",
        metadata={"from": marker},
        in_reply_to=f"{marker}-{number - 1}" if number % 2 else None,
        payload=Payload(f"shape-{marker}", {"of": marker}),
    )


def everything(marker: str = MARKER) -> list[Event]:
    """One event of each kind, beside the messages that they are about."""
    return [
        said(0, marker),
        said(1, marker),
        MessageRevised(message_id=f"{marker}-0", content=f"the {marker} revised", metadata={"of": marker}),
        MessageRated(message_id=f"{marker}-1", rating=f"good {marker}", comment=f"thanks, {marker}"),
        ReplyFailed(in_reply_to=f"{marker}-0", reason=f"about {marker}"),
        ConversationRenamed(title=f"all about {marker}"),
        MetadataChanged(metadata={"owner": marker}),
        ConversationLinked(link=Link(f"kind-{marker}", f"target-{marker}")),
        SessionEnded(reason=f"tired of {marker}"),
        SessionReopened(reason=f"but {marker}"),
    ]


async def marked(hansard: Hansard, user_id: str = USER, marker: str = MARKER, more: int = 0) -> UUID:
    """A conversation of this user; as many more messages, for a snapshot to be taken of it."""
    caller = Caller(user_id, user_id, f"request-{marker}")
    conversation_id = uuid4()
    await commands.start_conversation(
        hansard.repository,
        caller,
        conversation_id=conversation_id,
        title=f"title {marker}",
        links=[Link("opportunity", f"opp-{marker}")],
        metadata={"of": marker},
        name=f"{marker}-{conversation_id}",
    )
    shard = hansard.store.shard_of(user_id)
    await hansard.repository.change(caller, conversation_id, lambda *_: everything(marker))
    for at in range(2, more + 2, 50):
        await hansard.repository.change(
            caller, conversation_id, lambda *_, at=at: [said(n, marker) for n in range(at, at + 50)]
        )
    await hansard.repository.load(shard, conversation_id)
    return conversation_id


def by(user_id: str, **more: str) -> dict[str, str]:
    return {"X-User-Id": user_id, **more}


async def answers_to(client: httpx.AsyncClient, user_id: str, conversation_ids: list[UUID]) -> str:
    """Whatever can be read of this user, in one text."""
    paths = [
        "/api/chat/sessions",
        "/api/chat/history",
        "/api/conversations",
        f"/api/search?q={MARKER}",
        "/api/search?q=secret",
        f"/api/opportunities/opp-{MARKER}/conversations",
        *(
            f"/api/conversations/{each}{rest}"
            for each in conversation_ids
            for rest in ("", "/messages", "/events")
        ),
    ]
    told = [await client.get(path, headers=by(user_id)) for path in paths]
    return "\n".join(answer.text for answer in told)
