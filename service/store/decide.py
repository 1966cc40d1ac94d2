"""Decides, without touching the database, what becomes of each append of a batch, and where its events go."""

from collections.abc import Iterable

from domain.errors import CommandReused, VersionConflict
from domain.recorded import Recorded
from service.store.append import Append, Appended, Outcome, Placed
from service.store.digests import chain
from service.store.log import StoredCommand
from service.store.look import Look, Tip

Row = tuple[object, ...]


class Decided:
    """One batch: each append's outcome, the rows to be written, and the same events for the projections."""

    def __init__(self, look: Look, batch: Iterable[Append]) -> None:
        self.before = dict(look.heads)
        self.rows: list[Row] = []
        self.recorded: list[Recorded] = []
        self.outcomes: list[Outcome] = []
        self._look = look
        for append in batch:
            append.outcome = self._decide(append)
            self.outcomes.append(append.outcome)

    def _decide(self, append: Append) -> Outcome:
        command = append.command
        if append.placed and append.placed.digest in self._look.digests:
            # Sent before, and the connection was lost before the answer: it is there.
            return Appended(
                append.conversation_id, append.placed.version, append.placed.position, len(append.events)
            )
        if command and (known := self._look.commands.get(command.id)):
            if known.digest != command.digest:
                return CommandReused()
            last = known.size - 1
            return Appended(
                known.conversation_id, known.version + last, known.position + last, known.size, repeated=True
            )
        tip = self._look.tips.get(append.conversation_id)
        if not fits(append, tip):
            return VersionConflict(current_version=tip.version if tip else 0, expected_version=wanted(append))
        return self._place(append, tip)

    def _place(self, append: Append, tip: Tip | None) -> Appended:
        shard, conversation_id, command = append.shard, append.conversation_id, append.command
        position = self._look.heads[shard]
        version = tip.version if tip else first_version(append) - 1
        digest = tip.digest if tip else None
        size = len(append.events)
        if command:
            self._look.commands[command.id] = StoredCommand(
                conversation_id, version + 1, position + 1, command.digest, size
            )
        named = (command.id, command.digest, size) if command else (None, None, None)
        told = (append.user_id, append.actor, append.request_id)
        for event in append.events:
            version += 1
            position += 1
            place = (shard, conversation_id, version, position, event.topic, event.message_id)
            sealed = (append.recorded_at, event.digest, append.person_digest)
            digest = chain(digest, *place, append.request_id, *named, *sealed)
            self.rows.append((
                *place, event.state, event.salt, event.digest,
                append.user_id, append.actor, append.person_salt, append.person_digest,
                append.request_id, *named, append.recorded_at, digest,
            ))  # fmt: skip
            self.recorded.append(
                Recorded(shard, position, conversation_id, version, event.event, append.recorded_at, *told)
            )
            named = (None, None, None)
        if digest is not None:
            append.placed = Placed(version, position, digest)
            self._look.tips[conversation_id] = Tip(version, digest)
            self._look.heads[shard] = position
        return Appended(conversation_id, version, position, size)


def fits(append: Append, tip: Tip | None) -> bool:
    if append.based_on is not None and not stored_now(append.based_on):
        return False
    if append.first is not None:
        return append.first == tip.version + 1 if tip else append.first in (0, 1)
    return append.expected is None or append.expected == (tip.version if tip else 0)


def stored_now(append: Append) -> bool:
    return isinstance(append.outcome, Appended) and not append.outcome.repeated


def wanted(append: Append) -> int | None:
    return append.expected if append.first is None else append.first - 1


def first_version(append: Append) -> int:
    return 1 if append.first is None else append.first
