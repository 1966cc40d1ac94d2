"""What somebody wants to be forgotten, and the digest by which it can be recognised and not read."""

from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.events import Link

Action = Literal["erase", "anonymise"]
Kind = Literal["conversation", "user", "link"]
ACTIONS: Final[tuple[Action, ...]] = ("erase", "anonymise")

encode: Final = msgspec.json.Encoder().encode


class Wish(Struct, frozen=True, omit_defaults=True):
    """One conversation, all of a user's, or all that are linked to something: one user's or everybody's."""

    kind: Kind
    action: Action = "erase"
    user_id: str | None = None
    """None: everybody's."""
    conversation_id: UUID | None = None
    link: Link | None = None
    expected: int | None = None
    """The version that the conversation must be at."""

    @property
    def subject(self) -> bytes:
        """The same for all who mean the same, laid out so that no two subjects are alike."""
        match self.kind:
            case "conversation":
                return encode([self.action, self.kind, self.conversation_id])
            case "user":
                return encode([self.action, self.kind, self.user_id])
            case "link":
                return encode([self.action, self.kind, self.user_id, self.link])

    def digest(self, salt: bytes) -> bytes:
        return digest_of(self.subject, salt)


def digest_of(subject: bytes, salt: bytes) -> bytes:
    """The salt is of one length, so that it cannot run into what follows it."""
    return sha256(b"hansard.subject.v1\0" + salt + subject).digest()


decode_wish: Final = msgspec.json.Decoder(Wish).decode
encode_wish: Final = encode
