"""ChatKit's threads as conversations, and conversations as ChatKit's threads.

A title, whether it is closed and its metadata mean the same to both. What only ChatKit knows of a thread is
kept in the metadata under a key of its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from chatkit.types import ActiveStatus, ThreadMetadata
from msgspec.structs import replace
from pydantic import ValidationError

from domain import conversation as decisions
from domain.content import LIMITS, Limits, same_json
from domain.conversation import Conversation
from domain.events import Event, Link
from projections import conversations
from service.chatkit.context import OPPORTUNITY
from service.chatkit.errors import MetadataKeyTaken
from service.chatkit.items import naive
from service.store.ids import new_id
from service.store.names import as_id

CHATKITS: Final = "chatkit.thread.v1"
"""The key under which metadata holds what only ChatKit knows of a thread."""
SHARED: Final = {"id", "title", "status", "metadata"}
"""The fields of a thread that every surface knows, in its own way."""

NEVER: Final = datetime.min  # noqa: DTZ901 - ChatKit's times are naive

Data = dict[str, Any]


def id_of(row: conversations.ListedConversation) -> str:
    """As it was given, where that is a name."""
    return row.name or str(row.conversation_id)


def thread_of(row: conversations.ListedConversation) -> ThreadMetadata:
    """Without a title for as long as nobody has given it one."""
    metadata: Data = msgspec.json.decode(row.metadata)
    shared = {"id": id_of(row), "title": row.given_title, "metadata": without_own(metadata)}
    if row.ended_at is not None:
        reason = None if row.ended_reason is None else msgspec.json.decode(row.ended_reason)
        shared["status"] = {"type": "closed", "reason": reason}
    own = {name: value for name, value in own_in(metadata).items() if fits(name, value)}
    return ThreadMetadata.model_validate({"created_at": naive(row.started_at)} | own | shared)


def own_in(metadata: Data) -> Data:
    found = metadata.get(CHATKITS)
    return found if isinstance(found, dict) else {}


def fits(name: str, value: Any) -> bool:
    """Another surface, which may change all metadata, may have put anything there; and a later release of
    ChatKit what this one does not know."""
    try:
        ThreadMetadata.model_validate({"id": "", "created_at": NEVER, name: value})
    except ValidationError:
        return False
    return name not in SHARED or name == "status"


def without_own(metadata: Data) -> Data:
    return {key: value for key, value in metadata.items() if key != CHATKITS}


def fields_of(thread: ThreadMetadata) -> Data:
    """Without the items that a whole thread has with it."""
    if CHATKITS in thread.metadata:
        raise MetadataKeyTaken(key=CHATKITS)
    return thread.model_dump(mode="json", by_alias=True, exclude={"items"})


def own_of(fields: Data) -> Data:
    own = {name: value for name, value in fields.items() if name not in SHARED and value is not None}
    if fields["status"]["type"] not in ("active", "closed"):
        own["status"] = fields["status"]
    return own


def changed_in(stored: ThreadMetadata, before: Data, after: Data) -> ThreadMetadata:
    """What is stored, and what a request that saw `before` has made of it."""
    fields = merged(fields_of(stored), before, after)
    if fields["title"] is None:
        fields["title"] = stored.title
    return ThreadMetadata.model_validate(fields)


def links_of(fields: Data, active: str | None) -> Sequence[Link]:
    """A thread that says itself what it is about knows better than the request."""
    opportunity = fields["metadata"].get("opportunity_id")
    target = opportunity if isinstance(opportunity, str) and opportunity else active
    return (Link(OPPORTUNITY, target),) if target else ()


def begun(fields: Data, user_id: str, active: str | None, limits: Limits = LIMITS) -> Sequence[Event]:
    """Under the id that it was given, which is a name unless it is written as ids of conversations are."""
    links, metadata = links_of(fields, active), {**fields["metadata"], CHATKITS: own_of(fields)}
    given = as_id(fields["id"])
    name = None if given else fields["id"]
    started = decisions.start(None, user_id, fields["title"], links, metadata, limits, name)
    status = fields["status"]
    if status["type"] != "closed":
        return started
    new = Conversation(given or new_id(), user_id, 1)
    return (*started, *decisions.end(new, status["reason"], limits))


def changes(known: Conversation, before: Data, after: Data, limits: Limits = LIMITS) -> list[Event]:
    """What a request has changed of a thread since it saw it, and nothing that others have changed since: the
    title, the status, and each key of the metadata for itself."""
    events: list[Event] = []
    if after["title"] is not None and after["title"] != before["title"]:
        events += decisions.rename(known, after["title"], limits)
    metadata = merged(without_own(known.metadata), before["metadata"], after["metadata"])
    if own := merged(own_in(known.metadata), own_of(before), own_of(after)):
        metadata[CHATKITS] = own
    events += decisions.change_metadata(known, metadata, limits)
    if after["status"] != before["status"]:
        events += moved(known, after["status"], limits)
    return events


def moved(known: Conversation, status: Data, limits: Limits) -> Sequence[Event]:
    """Closed once more for another reason, it was open for a moment."""
    reopened = decisions.reopen(known, limits=limits)
    if status["type"] != "closed":
        return reopened
    return (*reopened, *decisions.end(replace(known, ended=False), status["reason"], limits))


def merged(now: Data, before: Data, after: Data) -> Data:
    result = dict(now)
    for key in before | after:
        if key not in after:
            result.pop(key, None)
        elif key not in before or not same_json([before[key]], [after[key]]):
            result[key] = after[key]
    return result


ACTIVE: Final = ActiveStatus().model_dump(mode="json")
UNSEEN: Final[Data] = {"title": None, "status": ACTIVE, "metadata": {}}
"""A thread of which nothing was seen: everything that is said of it is meant."""
