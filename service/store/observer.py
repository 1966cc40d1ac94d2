"""Who wants to know what becomes of appends: told by the writer's thread, once the callers have been."""

from collections.abc import Sequence
from typing import Literal

from service.store.append import Append

Look = Literal["remembered", "taken", "stale"]


class Observer:
    """Wants to know nothing; others know better."""

    def stored(self, events: int, seconds: float) -> None:
        """A batch was committed; it took so long, from the lock to the disk."""

    def looked(self, how: Look) -> None:
        """For a batch, by what is remembered of earlier looks or by one that is taken for it."""

    def answered(self, appends: Sequence[Append]) -> None:
        """Each has its outcome."""
