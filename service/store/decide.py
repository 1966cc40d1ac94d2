"""Decides, without touching the database, what becomes of each append of a batch, and where its events go."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from domain.errors import CommandReused, NameIsTaken, VersionConflict
from domain.recorded import Recorded
from service.store.append import Append, Appended, Key, Name, Outcome, Placed
from service.store.between import Between
from service.store.digests import chain
from service.store.insert import Row
from service.store.log import StoredCommand
from service.store.look import Look, Tip

Named = tuple[UUID | None, bytes | None, int | None]
UNNAMED: Final[Named] = (None, None, None)


class Decided:
    """One batch: each append's outcome, the rows to be written, and the same events for the projections."""

    def __init__(
        self, look: Look, batch: Sequence[Append], between: Mapping[Key, Between] | None = None
    ) -> None:
        self.before = look.heads
        self.rows: list[Row] = []
        self.recorded: list[Recorded] = []
        self.placed: list[Append] = []
        """Those that this batch stores."""
        self.displaced = False
        """Some may have another place than they were decided for, if what came between is looked at."""
        self.heads = dict(look.heads)
        """Where the shards end with it."""
        self.tips: dict[Key, Tip] = {}
        """Where the conversations end that it adds to."""
        self.ends: dict[int, bytes] = {}
        """The digests of the shards' last events."""
        self.names: dict[Name, UUID] = {}
        """By which names it starts conversations."""
        self._found = look.tips
        self._names = look.names
        self._commands = dict(look.commands)
        self._digests = look.digests
        self._between = between
        self._batch = batch
        for append in batch:
            append.outcome = self._decide(append)

    @property
    def has_refused(self) -> bool:
        return len(self.placed) < len(self._batch)

    def _decide(self, append: Append) -> Outcome:
        command = append.command
        for doubt in append.doubts:
            if doubt[0].digest in self._digests:
                # Sent before, and the connection was lost before the answer: it is there.
                return taken(append, doubt)
        if command and (known := self._commands.get((append.shard, command.id))):
            if known.digest != command.digest:
                return CommandReused()
            last = known.size - 1
            return Appended(
                known.conversation_id, known.version + last, known.position + last, known.size, repeated=True
            )
        if (conflict := self._conflict(append)) and not self._is_free(append):
            return conflict
        if refusal := self._name_taken(append):
            return refusal
        outcomes = [self._place(part) for part in append.parts]
        self.placed.append(append)
        return outcomes[0]

    def _tip(self, key: Key) -> Tip | None:
        return self.tips.get(key) or self._found.get(key)

    def _conflict(self, append: Append) -> VersionConflict | None:
        """All parts are looked at before the first is placed: each on top of the ones before it."""
        if append.based_on is not None and not stored_now(append.based_on):
            return VersionConflict(current_version=None, expected_version=append.expected)
        versions: dict[UUID, int | None] = {}  # all parts are of one shard
        for part in append.parts:
            tip = self._tip((part.shard, part.conversation_id))
            version = versions.get(part.conversation_id, tip.version if tip else None)
            if not fits(part, version):
                return VersionConflict(current_version=version or 0, expected_version=wanted(part))
            versions[part.conversation_id] = next_version(part, version) + len(part.events) - 1
        return None

    def _name_taken(self, append: Append) -> NameIsTaken | None:
        own: dict[Name, UUID] = {}
        for part in append.parts:
            if (name := part.name) is not None:
                if other := self._names.get(name) or self.names.get(name) or own.get(name):
                    return NameIsTaken(conversation_id=other)
                own[name] = part.conversation_id
        return None

    def _is_free(self, append: Append) -> bool:
        """To be put behind whatever came before it, in this batch too."""
        if append.free_since is None:
            return False
        if self._between is None:
            self.displaced = True
            return False
        between = self._between.get((append.shard, append.conversation_id))
        return between is not None and not between.disturbs(append)

    def _place(self, append: Append) -> Appended:
        shard, conversation_id, command = append.shard, append.conversation_id, append.command
        position = self.heads[shard]
        tip = self._tip((shard, conversation_id))
        version = next_version(append, tip.version if tip else None) - 1
        digest = tip.digest if tip else None
        size = len(append.events)
        if command:
            self._commands[shard, command.id] = StoredCommand(
                conversation_id, version + 1, position + 1, command.digest, size
            )
        named: Named = (command.id, command.digest, size) if command else UNNAMED
        told = (append.user_id, append.actor, append.request_id)
        for event in append.events:
            version += 1
            position += 1
            place = (shard, conversation_id, version, position, event.topic)
            recorded_at = event.recorded_at or append.recorded_at
            sealed = (recorded_at, event.digest, append.person_digest)
            digest = chain(digest, *place, *named, *sealed)
            self.rows.append((
                *place, event.message_id, event.state, event.salt, event.digest,
                append.user_id, append.actor, append.person_salt, append.person_digest,
                append.request_id, *named, recorded_at, digest,
            ))  # fmt: skip
            where = (shard, position, conversation_id, version)
            self.recorded.append(Recorded(*where, event.event, recorded_at, *told, event.tags))
            named = UNNAMED
        if tip is None and (name := append.name) is not None:
            self.names[name] = conversation_id
        if digest is not None:
            append.placed = Placed(version, position, digest)
            self.tips[shard, conversation_id] = Tip(version, digest)
            if self._between and (between := self._between.get((shard, conversation_id))):
                between.found += [
                    (number, event.topic, event.message_id)
                    for number, event in enumerate(append.events, version - size + 1)
                ]
            self.heads[shard], self.ends[shard] = position, digest
        return Appended(conversation_id, version, position, size)


def taken(append: Append, places: Sequence[Placed]) -> Appended:
    for part, placed in zip(append.parts, places, strict=True):
        part.placed = placed
    return Appended(append.conversation_id, places[0].version, places[0].position, len(append.events))


def fits(append: Append, version: int | None) -> bool:
    """Version is that of the conversation's last event, None where it has none."""
    if append.first is not None:
        return append.first == version + 1 if version is not None else append.first in (0, 1)
    return append.expected is None or append.expected == (version or 0)


def next_version(append: Append, version: int | None) -> int:
    if version is not None:
        return version + 1
    return 1 if append.first is None else append.first


def stored_now(append: Append) -> bool:
    return isinstance(append.outcome, Appended) and not append.outcome.repeated


def wanted(append: Append) -> int | None:
    return append.expected if append.first is None else append.first - 1
