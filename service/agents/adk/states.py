"""State: what a session, a user and an application remember, each under the prefix of its own."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from google.adk.events.event_actions import EventActions
from msgspec import Struct

from service.agents.adk.answers import Item
from service.agents.adk.errors import Moved, NameInUse, NoConversation
from service.agents.adk.record import ConversationRecord

STATE: Final = "adk_state"
APP, USER, TEMP = "app:", "user:", "temp:"

State = dict[str, Any]


class Scopes(Struct, frozen=True):
    app: State
    user: State
    session: State = {}


def by_scope(state: Mapping[str, Any]) -> Scopes:
    """Without what is not kept at all."""
    app = {key.removeprefix(APP): value for key, value in state.items() if key.startswith(APP)}
    user = {key.removeprefix(USER): value for key, value in state.items() if key.startswith(USER)}
    others = {key: value for key, value in state.items() if not key.startswith((APP, USER, TEMP))}
    return Scopes(app, user, others)


def merged(scopes: Scopes) -> State:
    app = {APP + key: value for key, value in scopes.app.items()}
    user = {USER + key: value for key, value in scopes.user.items()}
    return {**scopes.session, **app, **user}


def as_json(state: Mapping[str, Any]) -> State:
    """As ADK writes it within an event."""
    dumped = EventActions(state_delta=dict(state)).model_dump(mode="json", include={"state_delta"})
    kept: State = dumped["state_delta"]
    return kept


def item_of(state: State) -> Item:
    return {"type": STATE, "id": f"adks_{uuid4().hex}", "state": state}


def state_in(item: Item) -> State:
    kept: State = item["state"]
    return kept


class SharedStates:
    """Each in a conversation of its own. Its last item is the whole state: every change is on the record."""

    def __init__(self, record: ConversationRecord) -> None:
        self._record = record

    async def read(self, user_id: str, name: str) -> State:
        async for entry in self._record.backwards(user_id, name, page=1):
            if entry.item.get("type") == STATE:
                return state_in(entry.item)
        return {}

    async def change(self, user_id: str, name: str, delta: State) -> None:
        """Who else changes it at the same time loses nothing: of each key, the last change counts."""
        changed = not delta
        while not changed:
            try:
                place = await self._record.place(user_id, name)
                after = await self.read(user_id, name) | delta
                await self._record.add(user_id, place, [item_of(after)], uuid4().hex)
                changed = True
            except NoConversation:
                changed = await self._begun(user_id, name, delta)
            except Moved:
                continue

    async def _begun(self, user_id: str, name: str, state: State) -> bool:
        """Not where another process was quicker."""
        try:
            await self._record.begin(user_id, name, None, [item_of(state)])
        except NameInUse:
            return False
        return True
