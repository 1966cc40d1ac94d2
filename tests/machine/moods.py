"""The service's projections, made to fail on messages that hold a marker for as long as somebody says so."""

from collections.abc import Iterable
from typing import Literal, TypeVar

from domain.events import MessageAdded, MessageRevised
from domain.recorded import Recorded
from projections.projection import Projection
from projections.rows.changes import Change, Update
from service.hansard import projections_of
from service.settings.settings import Settings

MARKER = "poison"
Mood = Literal["well", "raises", "refused"]
NAMES = ("history", "conversations", "search", "usage")


class Poisonous(Exception):
    """The projection's code gives up."""


class Moods:
    """One for all processes: what one of them cannot take, no other can."""

    def __init__(self) -> None:
        self._moods: dict[str, Mood] = {}

    def set(self, projection: str, mood: Mood) -> None:
        self._moods[projection] = mood

    def mend(self) -> None:
        self._moods.clear()

    def of(self, projection: str) -> Mood:
        return self._moods.get(projection, "well")


Given = TypeVar("Given", bound=Projection)


def moody(projection: Given, moods: Moods) -> Given:
    """Raises, or makes a change that PostgreSQL refuses: no column of text holds a NUL."""
    take = projection.changes

    def changes(recorded: Recorded) -> Iterable[Change]:
        mood = moods.of(projection.name)
        yield from take(recorded)
        if mood != "well" and is_marked(recorded):
            if mood == "raises":
                raise Poisonous
            key = (recorded.shard, recorded.conversation_id)
            yield Update(projection.tables[0], key, put={"user_id": "\0"})

    projection.changes = changes  # type: ignore[method-assign]
    return projection


def moody_projections(moods: Moods) -> dict[str, Projection]:
    return {each.name: moody(each, moods) for each in projections_of(Settings())}


def is_marked(recorded: Recorded) -> bool:
    return isinstance(recorded.event, MessageAdded | MessageRevised) and MARKER in recorded.event.content
