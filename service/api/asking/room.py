"""How many a worker answers at once: always so few that it has a connection left to say so."""

from collections import Counter
from typing import Any, Final

from litestar.types import Scope

from service.api.answering.errors import NoRoom, NoRoomForStreams, TooManyStreams
from service.settings.settings import Settings

STREAMED: Final = "streamed"
STREAMS: Final[dict[str, Any]] = {STREAMED: True}
"""For the `opt` of a handler that may answer with a stream, which holds its connection for long."""
ALWAYS: Final = "always"
EVEN_WHEN_FULL: Final[dict[str, Any]] = {ALWAYS: True}
"""For the `opt` of one that is answered when there is no room for others: it tells how things are."""
FOR_REQUESTS: Final = 0.9
"""The share of the connections that may wait for answers; the rest are told that there is no room."""
FOR_STREAMS: Final = 0.8
TAKEN: Final = "hansard_stream"


class Room:
    """What is taken of it in this worker."""

    def __init__(self, settings: Settings) -> None:
        self._most_requests = int(settings.connections * FOR_REQUESTS)
        self._most_streams = min(settings.streams, int(settings.connections * FOR_STREAMS))
        self._most_of_a_user = settings.streams_per_user
        self._requests = 0
        self._streams: Counter[str | None] = Counter()

    def enter(self) -> None:
        self._requests += 1

    def leave(self, scope: Scope) -> None:
        self._requests -= 1
        if TAKEN in scope["state"]:
            user_id = scope["state"].pop(TAKEN)
            self._streams[user_id] -= 1
            if not self._streams[user_id]:
                del self._streams[user_id]

    def check(self) -> None:
        if self._requests > self._most_requests:
            raise NoRoom(limit=self._most_requests)

    def take_stream(self, scope: Scope, user_id: str | None) -> None:
        """A place, which the end of the request gives back. Of those who name no user there is no limit but
        the one of all."""
        if self._streams.total() >= self._most_streams:
            raise NoRoomForStreams(limit=self._most_streams)
        if user_id is not None and 0 < self._most_of_a_user <= self._streams[user_id]:
            raise TooManyStreams(limit=self._most_of_a_user)
        self._streams[user_id] += 1
        scope["state"][TAKEN] = user_id
