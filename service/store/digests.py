"""The digests that chain a conversation's events, so that no stored fact can be changed without a trace.

Each digest is a SHA-256 over a name of its purpose and the values, laid out so that no two different sets of
values make the same bytes: whole numbers are big-endian and of fixed width, what varies in length is preceded
by its length, and what may be missing has a bit that says whether it was given. For a verifier elsewhere:

    state  = sha256("hansard.state.v1\\0"  | u32 len(salt) | salt | state)
    person = sha256("hansard.person.v1\\0" | u32 len(salt) | salt
             | u8 given | u32 len(user_id) | u32 len(actor) | user_id | actor | request_id)
             given: 1 user_id, 2 actor, 4 request_id
    event  = sha256("hansard.event.v1\\0"
             | previous (32 bytes, zeros for the first) | state (32) | person (32)
             | conversation_id (16) | i16 shard | i64 version | i64 position | i64 recorded_at
             | u8 given | command_id (16, zeros if missing) | i64 command_size (0 if missing)
             | u32 len(topic) | topic | command_digest)
             given: 1 command_id, 2 command_digest, 4 command_size

    left   = sha256("hansard.left.v1\\0"
             | of each event before one that anonymises, if the salt of its person is gone or that of a state:
               i64 version | u8 given | u64 len(actor) | u64 len(state) | actor | state)
             given: 1 actor, 2 state (without its salt), 4 a state that still has its salt, and is left out

Text is UTF-8; a time is whole microseconds since 1970-01-01T00:00:00Z. State and person enter the chain only
by their salted digests: when words are erased, or a person is replaced, the old digests stay and the chain
still verifies. What anonymising left of them is proved by the last of these digests, which is in the state of
the event that anonymises. The column message_id repeats what the state says, and goes with it.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Final
from uuid import UUID

NO_EVENT: Final = bytes(32)
_NO_COMMAND: Final = bytes(16)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_STATE: Final = Struct(">17sI")
_PERSON: Final = Struct(">18sI")
_PERSON_REST: Final = Struct(">BII")
_USUAL: Final = 16
_BEFORE_USUAL_SALT: Final = sha256(_STATE.pack(b"hansard.state.v1\0", _USUAL))
_LEFT: Final = Struct(">qBQQ")
_EVENT: Final = Struct(">17s 32s 32s 32s 16s h q q q B 16s q I")


def state_digest(salt: bytes, state: bytes) -> bytes:
    if len(salt) == _USUAL:
        digest = _BEFORE_USUAL_SALT.copy()
    else:
        digest = sha256(_STATE.pack(b"hansard.state.v1\0", len(salt)))
    digest.update(salt + state)
    return digest.digest()


def person_digest(salt: bytes, user_id: str | None, actor: str | None, request_id: str | None) -> bytes:
    given = (user_id is not None) | (actor is not None) << 1 | (request_id is not None) << 2
    user = b"" if user_id is None else user_id.encode()
    who = b"" if actor is None else actor.encode()
    request = b"" if request_id is None else request_id.encode()
    head = _PERSON.pack(b"hansard.person.v1\0", len(salt)) + salt
    return sha256(head + _PERSON_REST.pack(given, len(user), len(who)) + user + who + request).digest()


def chain(
    previous: bytes | None,
    shard: int,
    conversation_id: UUID,
    version: int,
    position: int,
    topic: str,
    command_id: UUID | None,
    command_digest: bytes | None,
    command_size: int | None,
    recorded_at: datetime,
    state_digest: bytes,
    person_digest: bytes,
) -> bytes:
    words = topic.encode()
    if previous is None:
        previous = NO_EVENT
    if not len(previous) == len(state_digest) == len(person_digest) == 32:
        raise ValueError("a digest is 32 bytes long")  # the struct would cut or pad it without a word
    fixed = _EVENT.pack(
        b"hansard.event.v1\0",
        previous,
        state_digest,
        person_digest,
        conversation_id.bytes,
        shard,
        version,
        position,
        microseconds(recorded_at),
        (command_id is not None) | (command_digest is not None) << 1 | (command_size is not None) << 2,
        _NO_COMMAND if command_id is None else command_id.bytes,
        command_size or 0,
        len(words),
    )
    return sha256(fixed + words + (command_digest or b"")).digest()


class Left:
    """The digest of what anonymising leaves of a conversation's events, which it takes in their order."""

    def __init__(self) -> None:
        self._digest = sha256(b"hansard.left.v1\0")

    def take(self, version: int, actor: str | None, state: bytes | None, *, proved: bool) -> None:
        """Proved is a state that has kept its salt."""
        who = b"" if actor is None else actor.encode()
        words = b"" if proved else state or b""
        without = state is not None and not proved
        given = (actor is not None) | without << 1 | proved << 2
        self._digest.update(_LEFT.pack(version, given, len(who), len(words)) + who + words)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


@lru_cache(maxsize=64)
def microseconds(time: datetime) -> int:
    """Since the epoch; by whole numbers only, for a float of this size is microseconds off. All events of an
    append tend to have the same."""
    return (time - _EPOCH) // _MICROSECOND
