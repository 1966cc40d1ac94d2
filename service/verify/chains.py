"""Follows one conversation's digests from its first event to its last, and says where they do not hold."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from domain.errors import EventUnreadable
from domain.events import ConversationAnonymised
from service.store.codec import CODEC, decode, message_id_of
from service.store.digests import Left, chain, microseconds, person_digest, state_digest
from service.store.store import shard_of
from service.verify.faults import Fault, Faults, missing

STARTED: Final = "conversation_started"
ANONYMISED: Final = "conversation_anonymised"
ERASED: Final = "conversation_erased"
WORDS: Final = frozenset({"message_added", "message_revised"})
"""What anonymising does not empty: it keeps what was said."""
OURS: Final = frozenset(CODEC.types) | frozenset(CODEC.upcasters)

NOBODY: Final = (None, None, None)
MILLENNIUM: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""What PostgreSQL counts its microseconds from."""
UNDER_WAY: Final = 60_000_000
"""Microseconds for which events may still be as they were, before one that erases or anonymises them; and by
which its clock may be ahead of ours."""


class EventRow(NamedTuple):
    """An event as it lies in the table. Ids are their bytes and the time is PostgreSQL's own number: a row
    that somebody changed may hold what Python has no value for."""

    conversation_id: bytes
    version: int
    position: int
    topic: str
    message_id: str | None
    state: bytes | None
    state_salt: bytes | None
    state_digest: bytes
    user_id: str | None
    actor: str | None
    request_id: str | None
    person_salt: bytes | None
    person_digest: bytes
    command_id: bytes | None
    command_digest: bytes | None
    command_size: int | None
    recorded_at: int
    digest: bytes


class Chain:
    """One conversation: takes its events in the order of their versions, and tells its faults."""

    def __init__(self, shard: int, shards: int, conversation_id: bytes, faults: Faults, began: int) -> None:
        self.id: Final = UUID(bytes=conversation_id)
        self._shard: Final = shard
        self._shards: Final = shards
        self._faults: Final = faults
        self._began: Final = began
        self._before: EventRow | None = None
        self._known: tuple[bytes | None, bytes, str | None, str | None, str | None] | None = None
        """The person that was checked last: the events of one append have one, with one salt."""
        self._of_others: list[int] = []
        self._emptied: list[tuple[int, str]] = []
        self._rewritten: list[int] = []
        self._renamed: list[int] = []
        self._kept: int | None = None
        """The first event that still says something: there may be none once all is erased."""
        self._naming: int | None = None
        """The first event that still names somebody: none, once all is erased."""
        self._anonymised_at = self._erased_at = 0
        self._left: Final = Left()
        self._unproved: int | None = None
        """The first event of which only an anonymising can prove what it holds: a salt of it is gone."""
        self._of_command = 0
        """How many more events belong to the append that named the last command."""

    def take(self, row: EventRow) -> None:
        before = self._before
        follows = self._begin(row) if before is None else self._follow(before, row)
        if row.topic == ANONYMISED:
            self._check_left(row)
        self._check_state(row)
        self._check_person(row)
        if row.person_salt is None or (row.state is not None and row.state_salt is None):
            proved = row.state_salt is not None
            self._left.take(row.version, row.actor, row.state, proved=proved)
            self._unproved = self._unproved or row.version
        if row.command_id is not None or row.command_size is not None or self._of_command:
            self._check_command(row, before)
        if follows and not self._holds(row, before.digest if before else None):
            self._tell(row, "it is not what was recorded, or what comes before it is not: the digest differs")
        self._before = row

    def end(self) -> None:
        """What only the whole conversation can tell."""
        for version in self._of_others:
            self._tell_at(version, "its user is not the one of the event before it")
        for version, topic in self._emptied:
            by_anonymising = version < self._anonymised_at and topic not in WORDS
            if version >= self._erased_at and not by_anonymising:
                self._tell_at(version, "what it held is missing, though nothing on record erased it")
        for version in self._rewritten:
            if version >= self._anonymised_at:
                self._tell_at(version, "what it holds cannot be checked, though nothing on record changed it")
        for version in self._renamed:
            if version > max(self._anonymised_at, self._erased_at):
                self._tell_at(version, "who it was cannot be checked, though nobody on record was replaced")
        if self._erased_at and self._naming and self._before and not self._under_way(self._before):
            what = f"it still names somebody, though version {self._erased_at} erased it"
            self._tell_at(self._naming, what)
        if self._of_command and self._before:
            self._tell(self._before, f"{self._of_command} events of its command are missing after it")

    def _begin(self, row: EventRow) -> bool:
        """Whether it is the first, so that its digest can be checked."""
        ours = row.topic in OURS
        if row.user_id is not None and shard_of(row.user_id, self._shards) != self._shard:
            self._tell(row, f"its user belongs to shard {shard_of(row.user_id, self._shards)}")
        if row.version > 1:
            self._tell_at(1, f"{missing('version', 1, row.version - 1)}: the beginning was removed")
            return False
        if ours and row.topic != STARTED:
            self._tell(row, f"the conversation begins with {row.topic}")
        elif row.version != 1 and (ours or row.version != 0):
            self._tell(row, f"the conversation begins with version {row.version}")
        return True

    def _follow(self, before: EventRow, row: EventRow) -> bool:
        """Whether nothing is missing in between, so that its digest can be checked."""
        if self._erased_at:
            self._tell(row, f"it comes after the conversation was erased at version {self._erased_at}")
        if row.user_id != before.user_id and row.topic != ANONYMISED and row.topic != ERASED:
            self._of_others.append(row.version)
        if row.position <= before.position:
            self._tell(row, f"its position comes before that of version {before.version}, {before.position}")
        if row.version == before.version + 1:
            return True
        gone = missing("version", before.version + 1, row.version - 1)
        self._tell_at(before.version + 1, f"{gone}: removed from between two others")
        return False

    def _check_state(self, row: EventRow) -> None:
        state, salt = row.state, row.state_salt
        if state is None:
            self._emptied.append((row.version, row.topic))
            if salt is not None:
                self._tell(row, "what it held is gone, but not the salt by which it could be guessed")
            if row.message_id is not None:
                self._tell(row, "what it held is gone, but not the id of the message that it was about")
        elif salt is None:
            self._rewritten.append(row.version)
            self._check_content(row, state)
        elif state_digest(salt, state) == row.state_digest:
            self._check_content(row, state)
        else:
            self._tell(row, "what it says is not what was recorded: the digest of its state differs")
        if row.topic == ANONYMISED:
            if self._anonymised_at:
                self._tell(row, f"the conversation was anonymised already, at version {self._anonymised_at}")
            self._anonymised_at = row.version
            if self._under_way(row):
                self._of_others.clear()
            elif self._before and row.user_id != self._before.user_id:
                self._of_others.append(row.version)
        elif row.topic == ERASED:
            self._erased_at = row.version
            if self._kept and not self._under_way(row):
                self._tell_at(self._kept, f"it still says something, though version {row.version} erased it")
        elif state is not None and self._kept is None:
            self._kept = row.version

    def _check_left(self, row: EventRow) -> None:
        """While it is being done there is no telling; if it was not finished, another fault says so. Of what
        was erased after it nothing is left."""
        before = self._before
        unfinished = bool(self._of_others) or before is None or before.user_id != row.user_id
        if before is None or unfinished or self._unproved is None or row.state is None:
            return
        try:
            event = decode(row.topic, row.state)
        except EventUnreadable:
            return
        digest = event.rewritten if isinstance(event, ConversationAnonymised) else None
        if digest != self._left.hexdigest():
            which = f"versions {self._unproved} to {before.version}"
            self._tell(row, f"{which} do not hold what it left of them: the digest of that differs")

    def _check_content(self, row: EventRow, state: bytes) -> None:
        try:
            event = decode(row.topic, state)
        except EventUnreadable as broken:
            self._tell(row, f"this version of Hansard cannot read it: {broken}")
            return
        if message_id_of(event) != row.message_id:
            self._tell(row, "the message in its column is not the one that it is about")

    def _check_person(self, row: EventRow) -> None:
        if self._naming is None and self._erased_at in (0, row.version):
            named = (row.user_id, row.actor, row.request_id) != NOBODY
            self._naming = row.version if named else None
        person = (row.person_salt, row.person_digest, row.user_id, row.actor, row.request_id)
        if person == self._known:
            return
        if row.person_salt is None:
            self._renamed.append(row.version)
        elif person_digest(row.person_salt, *person[2:]) == row.person_digest:
            self._known = person
        else:
            self._tell(
                row, "it is not who was recorded, or not the request: the digest of the person differs"
            )

    def _check_command(self, row: EventRow, before: EventRow | None) -> None:
        if row.command_id is None and row.command_size is None:
            self._of_command -= 1
            if before is not None and row.position != before.position + 1:
                self._tell(row, "it belongs to the append of the event before it, but does not follow it")
        elif row.command_id is None or row.command_size is None or row.command_digest is None:
            self._tell(row, "it names half a command")
        else:
            if self._of_command:
                self._tell(row, f"{self._of_command} events of the command before it are missing")
            self._of_command = row.command_size - 1
            if row.command_size < 1:
                self._tell(row, f"its command says that it has {row.command_size} events")

    def _holds(self, row: EventRow, previous: bytes | None) -> bool:
        try:
            return row.digest == chain(
                previous,
                self._shard,
                self.id,
                row.version,
                row.position,
                row.topic,
                UUID(bytes=row.command_id) if row.command_id is not None else None,
                row.command_digest,
                row.command_size,
                MILLENNIUM + timedelta(microseconds=row.recorded_at),
                row.state_digest,
                row.person_digest,
            )
        except (ValueError, OverflowError):  # a digest that is none; a time that is infinite
            return False

    def _under_way(self, row: EventRow) -> bool:
        return abs(self._began - row.recorded_at) <= UNDER_WAY

    def _tell(self, row: EventRow, what: str) -> None:
        self._faults.add(Fault(what, self._shard, self.id, row.version, row.position))

    def _tell_at(self, version: int, what: str) -> None:
        self._faults.add(Fault(what, self._shard, self.id, version))


def follow(shard: int, shards: int, rows: Iterable[EventRow], faults: Faults) -> int:
    """All conversations of a shard, one after the other; gives back how many there are."""
    chain, current, count = None, b"", 0
    began = microseconds(datetime.now(UTC)) - microseconds(MILLENNIUM)
    for row in rows:
        if chain is None or row.conversation_id != current:
            if chain is not None:
                chain.end()
            current = row.conversation_id
            chain = Chain(shard, shards, current, faults, began)
            count += 1
        chain.take(row)
    if chain is not None:
        chain.end()
    return count
