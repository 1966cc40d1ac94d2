"""Conversations on Hansard's record, over HTTP: begun by name, read whole, added to where they were read.

Every write has a key, so that it can be sent again after a lost answer and is never stored twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import msgspec
from httpx2 import AsyncClient, Response, TransportError
from msgspec import Struct
from msgspec.structs import replace

from service.agents.adk.answers import (
    AddedEntries,
    AuditPage,
    Entries,
    Entry,
    Item,
    LinkedPage,
    ProblemAnswer,
    SeenConversation,
)
from service.agents.adk.errors import Moved, NameInUse, NoConversation, Refused

PAGE: Final = 1_000
PAUSES: Final = (0.1, 0.4, 1.6)
"""Seconds before a request is sent again that was not answered, or could not be granted just now."""
LATER: Final = frozenset({429, 502, 503, 504})
MISSING: Final = frozenset({"conversation-not-found", "conversation-erased"})
MOVED: Final = frozenset({"version-conflict", "record-restored"})
NOTHING: Final[Mapping[str, Any]] = {}


class ReadUpTo(Struct, frozen=True):
    """Up to where a conversation was read: its version, and its last entry."""

    conversation: str
    version: int
    etag: str
    last: str


class AppLink(Struct, frozen=True):
    kind: str
    id: str


class ConversationRecord:
    """The client says where Hansard is, and shows a service key; each call names its user."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def begin(
        self, user_id: str, name: str, link: AppLink | None, items: Sequence[Item]
    ) -> SeenConversation:
        body = {
            "name": name,
            "links": [] if link is None else [{"kind": link.kind, "id": link.id}],
            "messages": [{"item": item} for item in items],
        }
        answer = await self._write("POST", "/api/conversations", user_id, body)
        return conversation_in(answer)

    async def conversation(self, user_id: str, conversation: str) -> SeenConversation | None:
        """By its name or its id."""
        try:
            return conversation_in(await self._read(path_of(conversation), user_id))
        except NoConversation:
            return None

    async def entries(self, user_id: str, conversation: SeenConversation) -> list[Entry]:
        """Oldest first, up to the version at which the conversation was read."""
        found = [entry async for entry in self.backwards(user_id, conversation.id)]
        return [entry for entry in reversed(found) if entry.version <= conversation.version]

    async def backwards(self, user_id: str, conversation: str, page: int = PAGE) -> AsyncIterator[Entry]:
        """Newest first. Where there is no conversation, there are none."""
        query: dict[str, Any] = {"include": "items", "limit": page}
        while True:
            try:
                answer = await self._read(f"{path_of(conversation)}/messages", user_id, query)
            except NoConversation:
                return
            entries = msgspec.json.decode(answer.content, type=Entries)
            for entry in reversed(entries.messages):
                yield entry
            if entries.older is None:
                return
            query["before"] = entries.older

    async def place(self, user_id: str, conversation: str) -> ReadUpTo:
        """Where it is now. Read before its last entry, its version is never newer than that."""
        now = conversation_in(await self._read(path_of(conversation), user_id))
        async for last in self.backwards(user_id, now.id, page=1):
            return ReadUpTo(now.id, now.version, now.etag, last.id)
        return ReadUpTo(now.id, now.version, now.etag, "")

    async def add(self, user_id: str, place: ReadUpTo, items: Sequence[Item], key: str) -> ReadUpTo:
        """All of them or none, and only where nothing was added since. A new title does not matter."""
        body = {"messages": [{"item": item} for item in items]}
        path = f"{path_of(place.conversation)}/messages/batch"
        while True:
            headers = {"Idempotency-Key": key, "If-Match": place.etag}
            try:
                answer = await self._write("POST", path, user_id, body, headers)
            except Refused as refused:
                if refused.problem not in MOVED:
                    raise
                now = await self.place(user_id, place.conversation)
                if now.last != place.last:
                    raise Moved from refused
                place = now
            else:
                added = msgspec.json.decode(answer.content, type=AddedEntries)
                return ReadUpTo(place.conversation, added.version, answer.headers["ETag"], added.ids[-1])

    async def erase(self, user_id: str, conversation: str) -> None:
        """What is not there needs no erasing."""
        try:
            await self._write("DELETE", path_of(conversation), user_id)
        except NoConversation:
            return

    async def linked(self, user_id: str, link: AppLink) -> AsyncIterator[SeenConversation]:
        path = f"/api/links/{quote(link.kind, safe='')}/{quote(link.id, safe='')}/conversations"
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = msgspec.json.decode((await self._read(path, user_id, query)).content, type=LinkedPage)
            for conversation in page.conversations:
                yield conversation
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    async def users_with(self, link: AppLink) -> list[str]:
        """Those with a conversation that began with this link. Only the audit tells of everybody."""
        query: dict[str, Any] = {"topic": "conversation_started", "limit": PAGE}
        wanted, found = {"kind": link.kind, "target": link.id}, dict[str, None]()
        while True:
            answer = await self._read("/api/audit/events", None, query)
            page = msgspec.json.decode(answer.content, type=AuditPage)
            for each in page.events:
                if each.user_id is not None and wanted in (each.event or NOTHING).get("links", ()):
                    found[each.user_id] = None
            if page.next_cursor is None:
                return list(found)
            query["cursor"] = page.next_cursor

    async def _read(self, path: str, user_id: str | None, query: Mapping[str, Any] = NOTHING) -> Response:
        whose = {} if user_id is None else {"user_id": user_id}
        return await self._ask("GET", path, params={**query, **whose})

    async def _write(
        self,
        method: str,
        path: str,
        user_id: str,
        body: Any = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> Response:
        keyed = {"Idempotency-Key": uuid4().hex, **headers}
        given = {} if body is None else {"json": body}
        return await self._ask(method, path, params={"user_id": user_id}, headers=keyed, **given)

    async def _ask(self, method: str, path: str, **request: Any) -> Response:
        for pause in PAUSES:
            try:
                answer = await self._client.request(method, path, **request)
            except TransportError:
                await asyncio.sleep(pause)
            else:
                if answer.status_code not in LATER:
                    return granted(answer)
                await asyncio.sleep(pause)
        return granted(await self._client.request(method, path, **request))


def path_of(conversation: str) -> str:
    return f"/api/conversations/{quote(conversation, safe='')}"


def conversation_in(answer: Response) -> SeenConversation:
    read = msgspec.json.decode(answer.content, type=SeenConversation)
    return replace(read, etag=answer.headers["ETag"])


def granted(answer: Response) -> Response:
    if answer.is_success:
        return answer
    try:
        problem = msgspec.json.decode(answer.content, type=ProblemAnswer)
    except msgspec.MsgspecError:
        problem = ProblemAnswer(f"status-{answer.status_code}", answer.text)
    kinds = {"name-taken": NameInUse} | dict.fromkeys(MISSING, NoConversation)
    raise kinds.get(problem.type, Refused)(problem.type, problem.detail)
