"""What a process remembers of conversations, so that the next wish is decided without a look at the log."""

import sys
from collections import OrderedDict
from typing import Any, Final

from msgspec import Struct

from domain.conversation import Conversation
from domain.errors import VersionConflict
from service.store.append import Append, Appended, Key

MOST_BYTES: Final = 64 * 1024 * 1024
"""As Python keeps them: several times of what the same takes as JSON."""
EACH: Final = 1_500
"""Of a conversation without metadata and links."""


class Known(Struct):
    """What this process knows of a conversation: what is stored, and what will be once its appends are."""

    stored: Conversation | None
    state: Conversation | None
    pending: Append | None = None
    details: int = 0
    """How many bytes its metadata and links take."""

    @property
    def size(self) -> int:
        """An append that waits counts with its words."""
        return EACH + self.details + (self.pending.size if self.pending else 0)

    def still_holds(self) -> bool:
        """As far as it is known: what rests on an append that was refused will be refused, too."""
        each = self.pending
        while each is not None and each.outcome is None:
            each = each.based_on
        return each is None or is_where_expected(each)

    def rests_on(self, append: Append) -> bool:
        """Whether it is on the way to the state, at the place that was foreseen for it."""
        if not is_where_expected(append):
            return False
        each = self.pending
        while each is not None and each is not append:
            each = each.based_on
        return each is append


class Memory:
    """Of each conversation one line of appends, each decided on the one before. The conversations that were
    longest of no use go first, once all of it takes too many bytes."""

    def __init__(self) -> None:
        self.size = 0
        """In bytes, roughly."""
        self._known: OrderedDict[Key, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def stored(self, key: Key) -> Conversation | None:
        known = self._known.get(key)
        return known.stored if known else None

    def standing(self, key: Key) -> Known | None:
        """Nothing where it rests on what was refused."""
        known = self._known.get(key)
        return known if known is not None and known.still_holds() else None

    def found(self, key: Key, state: Conversation | None) -> Known:
        """In the log, just now."""
        found, known = Known(state, state), self.standing(key)
        if state is not None and (known is None or older(known.stored, state)):
            self._keep(key, found)
        return found

    def decided(self, key: Key, on: Known, state: Conversation, append: Append) -> None:
        """What was decided on something else does not take the place of the line that is remembered."""
        standing = self.standing(key)
        if standing is None or standing is on:
            self._keep(key, Known(on.stored, state, append))

    def confirm(self, key: Key, after: Conversation, append: Append) -> None:
        """It is stored."""
        known = self._known.get(key)
        if known is not None and older(known.stored, after):
            if known.rests_on(append):
                self.size -= known.size
                known.stored = after
                if known.pending is append:
                    known.pending = None
                self.size += known.size
            else:
                # What was decided without it is refused, and so is what is decided on that.
                self._keep(key, Known(after, after))
        append.based_on = None

    def forget(self, key: Key, append: Append) -> None:
        """It is refused. Of what may be stored nothing is remembered: whoever comes next looks."""
        known = self._known.get(key)
        is_void = isinstance(append.outcome, VersionConflict)
        if known is not None and not (is_void and known.pending is not append and known.still_holds()):
            self.size -= self._known.pop(key).size

    def _keep(self, key: Key, known: Known) -> None:
        before = self._known.pop(key, None)
        if before is not None:
            self.size -= before.size
        known.details = details_of(known.state, before)
        self.size += known.size
        self._known[key] = known
        while self.size > MOST_BYTES and len(self._known) > 1:
            self.size -= self._known.popitem(last=False)[1].size


def details_of(state: Conversation | None, before: Known | None) -> int:
    """They seldom change from one append to the next."""
    if state is None:
        return 0
    known = before.state if before else None
    if before and known and known.metadata is state.metadata and known.links is state.links:
        return before.details
    links = sum(bytes_of(link.kind) + bytes_of(link.target) for link in state.links)
    return bytes_of(state.metadata) + links


def bytes_of(value: Any) -> int:
    own = sys.getsizeof(value)
    if isinstance(value, dict):
        return own + sum(bytes_of(name) + bytes_of(each) for name, each in value.items())
    if isinstance(value, list):
        return own + sum(bytes_of(each) for each in value)
    return own


def is_where_expected(append: Append) -> bool:
    outcome, expected = append.outcome, (append.expected or 0) + len(append.events)
    return isinstance(outcome, Appended) and not outcome.repeated and outcome.version == expected


def older(one: Conversation | None, other: Conversation) -> bool:
    return one is None or one.version < other.version
