"""The contract that every projection keeps."""

from collections.abc import Iterable
from typing import ClassVar, Protocol

from domain.recorded import Recorded
from projections.rows.changes import Change, Fold
from projections.rows.tables import Table


class Projection(Protocol):
    """Tables that are a pure function of the log.

    `changes` looks at nothing but the event it is given: no clock, no database, no row written before. That
    is why it is the same for the writer, a follower and a replay, and why a second build equals the first.
    """

    name: ClassVar[str]
    with_append: ClassVar[bool]
    """Written in the transaction of the append; otherwise it follows behind."""

    @property
    def version(self) -> str:
        """Names everything that shapes the rows: the code's number, and the settings that go into them.
        Another version is another build."""
        ...

    @property
    def tables(self) -> tuple[Table, ...]: ...

    def changes(self, recorded: Recorded) -> Iterable[Change]:
        """What this event changes; nothing for an event that it does not know."""
        ...


def fold(projection: Projection, history: Iterable[Recorded]) -> Fold:
    folded = Fold()
    for recorded in history:
        folded.take(projection.changes(recorded))
    return folded
