"""A session service of ADK's on Hansard's record, over HTTP.

A session is a conversation of its user's. Its events are on the record whole, and its state is what they have
made of it.
"""

import asyncio
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4
from weakref import WeakValueDictionary

import msgspec
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.sessions.base_session_service import (
    BaseSessionService,
    GetSessionConfig,
    ListSessionsResponse,
)
from google.adk.sessions.session import Session
from httpx2 import AsyncClient
from msgspec.structs import replace

from service.agents.adk.answers import SeenConversation
from service.agents.adk.errors import Moved, NameInUse, NoConversation
from service.agents.adk.events import items_of, whole
from service.agents.adk.names import app_link, app_state, session_in, session_name, user_state
from service.agents.adk.reading import mark, marked, told_by, wanted
from service.agents.adk.record import ConversationRecord, ReadUpTo
from service.agents.adk.states import Scopes, SharedStates, as_json, by_scope, item_of, merged

AT_ONCE: Final = 8
"""How many sessions of a list are read at the same time."""


class HansardSessionService(BaseSessionService):
    def __init__(self, client: AsyncClient) -> None:
        """The client has Hansard's address as its `base_url`, and shows a service key."""
        self._record = ConversationRecord(client)
        self._states = SharedStates(self._record)
        self._locks: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        session_id = (session_id or "").strip() or str(uuid4())
        given = by_scope(as_json(state or {}))
        items = [item_of(given.session)] if given.session else []
        name = session_name(app_name, session_id)
        try:
            begun = await self._record.begin(user_id, name, app_link(app_name), items)
        except NameInUse:
            raise AlreadyExistsError(f"Session with id {session_id} already exists.") from None
        await self._share(app_name, user_id, given)
        shared = await self._shared(app_name, user_id)
        session = Session(
            id=session_id,
            app_name=app_name,
            user_id=user_id,
            state=merged(replace(shared, session=given.session)),
            last_update_time=begun.created_at.timestamp(),
        )
        mark(session, ReadUpTo(begun.id, begun.version, begun.etag, items[-1]["id"] if items else ""))
        return session

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        session_id = session_id.strip()
        found = await self._record.conversation(user_id, session_name(app_name, session_id))
        if found is None:
            return None
        shared = await self._shared(app_name, user_id)
        return await self._session(app_name, user_id, session_id, found, shared, config)

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """Those of everybody only for a key that may read the audit."""
        users = [user_id] if user_id is not None else await self._record.users_with(app_link(app_name))
        sessions = [session for each in users for session in await self._sessions_of(app_name, each)]
        sessions.sort(key=lambda each: (each.last_update_time, each.user_id, each.id))
        return ListSessionsResponse(sessions=sessions)

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Erases it. What the user and the application remember stays."""
        await self._record.erase(user_id, session_name(app_name, session_id.strip()))

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        return await self._states.read(user_id, user_state(app_name))

    async def append_event(self, session: Session, event: Event) -> Event:
        """An event that is there already is not added again."""
        if event.partial:
            return event
        key = (session.app_name, session.user_id, session.id)
        async with self._locks.setdefault(key, asyncio.Lock()):
            return await self._append(session, event)

    async def _append(self, session: Session, event: Event) -> Event:
        data = whole(event)
        try:
            place = marked(session) or await self._place_of(session)
            after = await self._record.add(session.user_id, place, items_of(event, data), key_of(place, data))
        except NoConversation:
            raise SessionNotFoundError(f"Session {session.id} not found.") from None
        except Moved:
            raise StaleSessionError(
                f"Session {session.id} has been modified in storage since it was loaded; load it again."
            ) from None
        if after.version <= place.version:
            return event
        await self._share(session.app_name, session.user_id, by_scope(data["actions"]["state_delta"]))
        mark(session, after)
        session.last_update_time = event.timestamp
        return await super().append_event(session, event)

    async def _place_of(self, session: Session) -> ReadUpTo:
        """Of one that came without a mark: where its last event is the last on the record, too."""
        stored = await self.get_session(
            app_name=session.app_name, user_id=session.user_id, session_id=session.id
        )
        place = marked(stored) if stored else None
        if stored is None or place is None:
            raise SessionNotFoundError(f"Session {session.id} not found.")
        if [event.id for event in stored.events[-1:]] != [event.id for event in session.events[-1:]]:
            raise Moved
        return place

    async def _sessions_of(self, app_name: str, user_id: str) -> list[Session]:
        """Without their events, as lists of ADK's are."""
        shared, room = await self._shared(app_name, user_id), asyncio.Semaphore(AT_ONCE)

        async def read(session_id: str, found: SeenConversation) -> Session:
            async with room:
                session = await self._session(app_name, user_id, session_id, found, shared)
            session.events = []
            return session

        linked = self._record.linked(user_id, app_link(app_name))
        found = [(session_in(app_name, each.name), each) async for each in linked]
        return await asyncio.gather(*(read(name, each) for name, each in found if name is not None))

    async def _session(
        self,
        app_name: str,
        user_id: str,
        session_id: str,
        found: SeenConversation,
        shared: Scopes,
        config: GetSessionConfig | None = None,
    ) -> Session:
        entries = await self._record.entries(user_id, found)
        told = told_by(entries)
        begun = found.created_at.timestamp()
        session = Session(
            id=session_id,
            app_name=app_name,
            user_id=user_id,
            state=merged(replace(shared, session=told.state)),
            events=wanted(told.events, config),
            last_update_time=told.events[-1].timestamp if told.events else begun,
        )
        mark(session, ReadUpTo(found.id, found.version, found.etag, entries[-1].id if entries else ""))
        return session

    async def _shared(self, app_name: str, user_id: str) -> Scopes:
        app, user = app_state(app_name), user_state(app_name)
        return Scopes(*await asyncio.gather(self._states.read(app, app), self._states.read(user_id, user)))

    async def _share(self, app_name: str, user_id: str, given: Scopes) -> None:
        app, user = app_state(app_name), user_state(app_name)
        await self._states.change(app, app, given.app)
        await self._states.change(user_id, user, given.user)


def key_of(place: ReadUpTo, data: dict[str, Any]) -> str:
    """The same for the same event in the same session."""
    return sha256(msgspec.json.encode([place.conversation, data], order="sorted")).hexdigest()
