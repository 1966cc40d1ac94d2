"""What can be wished of a conversation: how it is asked of a process, and what its decision is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4, uuid5

from msgspec import Struct

from domain import conversation as decisions
from domain.conversation import Conversation, Events
from domain.events import Link, MessageAdded, MessageRevised, Payload, Role
from domain.message import Message
from service import commands
from service.commands import Terms
from service.store.append import CommandKey
from service.store.repository import Caller, Changed, Repository
from service.store.store import shard_of
from tests.conftest import SHARDS

SPACE = UUID(int=5)


def in_shard_of(other: str, same: bool) -> str:
    shard = shard_of(other, SHARDS)
    return next(n for n in map("user {}".format, range(99)) if (shard_of(n, SHARDS) == shard) == same)


ANN = "ann"
NEIGHBOUR = in_shard_of(ANN, same=True)
STRANGER = in_shard_of(ANN, same=False)
USERS = (ANN, NEIGHBOUR, STRANGER)


class Asked(Struct, frozen=True, eq=False):
    """A wish, as it is asked at one moment."""

    wish: "Wish"
    caller: Caller
    conversation_id: UUID
    decide: Callable[[Conversation | None, Mapping[str, Message]], Events]
    ask: Callable[[Repository], Awaitable[Changed]]
    about: Sequence[str]
    expected: int | None
    command: CommandKey | None

    @property
    def shard(self) -> int:
        return shard_of(self.caller.user_id, SHARDS)


class Wish(Struct, frozen=True, kw_only=True):
    who: str
    slot: int
    """Which of the few conversation ids that everybody uses."""
    expects: int | None = None
    """How far the version that is expected lies from the one that is; None: any version will do."""
    command: int | None = None
    """Which of the few command ids that everybody uses."""

    @property
    def shard(self) -> int:
        return shard_of(self.who, SHARDS)

    @property
    def conversation_id(self) -> UUID:
        """An id is one conversation's within its shard: others may have chosen it too."""
        return uuid5(SPACE, f"conversation {self.slot}")

    def asked(self, version: int) -> Asked:
        """Of a conversation that is at this version."""
        raise NotImplementedError

    def told(
        self,
        version: int,
        decide: Callable[[Conversation | None, Mapping[str, Message]], Events],
        ask: Callable[..., Awaitable[Changed]],
        about: Sequence[str] = (),
        conversation_id: UUID | None = None,
    ) -> Asked:
        expected = None if self.expects is None else version + self.expects
        command = None
        if self.command is not None:
            command = CommandKey(
                uuid5(SPACE, f"command {self.command}"), sha256(repr(self).encode()).digest()
            )
        caller = Caller(self.who, f"actor of {self.who}", f"request {uuid4()}")
        place = conversation_id or self.conversation_id

        def asking(repository: Repository) -> Awaitable[Changed]:
            return ask(repository, caller, place, Terms(expected, command))

        return Asked(self, caller, place, decide, asking, about, expected, command)


class Said(Struct, frozen=True):
    """A message; without an id it gets a new one each time that it is asked for."""

    content: str
    id: str | None = None
    role: Role = "user"
    kind: str = "message"
    tokens: int | None = None
    metadata: dict[str, Any] = {}
    item: dict[str, Any] | None = None

    def message(self) -> MessageAdded:
        return MessageAdded(
            message_id=self.id or str(uuid4()),
            role=self.role,
            content=self.content,
            kind=self.kind,
            tokens=self.tokens,
            metadata=self.metadata,
            payload=None if self.item is None else Payload("openai.item.v1", self.item),
        )


class Start(Wish, frozen=True, kw_only=True):
    title: str | None = None
    links: tuple[Link, ...] = ()
    metadata: dict[str, Any] = {}
    first: tuple[Said, ...] = ()
    anew: bool = False
    """With an id that nobody has used before."""
    name: str | None = None

    def asked(self, version: int) -> Asked:
        first = [said.message() for said in self.first]
        new = uuid4() if self.anew else self.conversation_id

        def decide(conversation: Conversation | None, _: object) -> Events:
            given = (self.who, self.title, self.links, self.metadata)
            started = decisions.start(conversation, *given, name=self.name)
            return (*started, *decisions.add_messages(Conversation(new, self.who, 1), first))

        def ask(repository: Repository, caller: Caller, place: UUID, terms: Terms) -> Awaitable[Changed]:
            return commands.start_conversation(
                repository,
                caller,
                conversation_id=place,
                title=self.title,
                links=self.links,
                metadata=self.metadata,
                name=self.name,
                first_messages=first,
                terms=terms,
            )

        return self.told(version, decide, ask, conversation_id=new)


class Add(Wish, frozen=True, kw_only=True):
    messages: tuple[Said, ...]

    def asked(self, version: int) -> Asked:
        wanted = [said.message() for said in self.messages]
        new = all(said.id is None for said in self.messages)
        about = [] if new else [message.message_id for message in wanted]

        def decide(conversation: Conversation | None, known: Mapping[str, Message]) -> Events:
            return decisions.add_messages(commands.owned(conversation, Caller(self.who)), wanted, known)

        def ask(repository: Repository, caller: Caller, place: UUID, terms: Terms) -> Awaitable[Changed]:
            return commands.add_messages(repository, caller, place, wanted, ids_are_new=new, terms=terms)

        return self.told(version, decide, ask, about)


class Revise(Wish, frozen=True, kw_only=True):
    message_id: str
    content: str
    kind: str = "message"

    def asked(self, version: int) -> Asked:
        wanted = MessageRevised(message_id=self.message_id, content=self.content, kind=self.kind)

        def decide(conversation: Conversation | None, known: Mapping[str, Message]) -> Events:
            owned = commands.owned(conversation, Caller(self.who))
            return decisions.revise_message(owned, known.get(self.message_id), wanted)

        def ask(repository: Repository, caller: Caller, place: UUID, terms: Terms) -> Awaitable[Changed]:
            return commands.change_message(
                repository,
                caller,
                place,
                self.message_id,
                lambda known, message: decisions.revise_message(known, message, wanted),
                terms,
            )

        return self.told(version, decide, ask, [self.message_id])


class Remove(Wish, frozen=True, kw_only=True):
    message_id: str

    def asked(self, version: int) -> Asked:
        def decide(conversation: Conversation | None, known: Mapping[str, Message]) -> Events:
            owned = commands.owned(conversation, Caller(self.who))
            return decisions.remove_message(owned, known.get(self.message_id), self.message_id)

        def ask(repository: Repository, caller: Caller, place: UUID, terms: Terms) -> Awaitable[Changed]:
            return commands.remove_message(repository, caller, place, self.message_id, terms)

        return self.told(version, decide, ask, [self.message_id])


class Rate(Wish, frozen=True, kw_only=True):
    message_id: str
    rating: str
    comment: str | None = None

    def asked(self, version: int) -> Asked:
        given = (self.message_id, self.rating, self.comment)

        def decide(conversation: Conversation | None, known: Mapping[str, Message]) -> Events:
            owned = commands.owned(conversation, Caller(self.who))
            return decisions.rate_message(owned, known.get(self.message_id), *given)

        def ask(repository: Repository, caller: Caller, place: UUID, terms: Terms) -> Awaitable[Changed]:
            given = ([self.message_id], self.rating, self.comment)
            return commands.rate_messages(repository, caller, place, *given, terms)

        return self.told(version, decide, ask, [self.message_id])


class Change(Wish, frozen=True, kw_only=True):
    """Any decision about the conversation itself, by its name in the domain, and what it is given."""

    decision: str
    given: tuple[Any, ...] = ()

    def asked(self, version: int) -> Asked:
        decided = getattr(decisions, self.decision)

        def decide(conversation: Conversation | None, _: object) -> Events:
            events: Events = decided(commands.owned(conversation, Caller(self.who)), *self.given)
            return events

        def ask(repository: Repository, caller: Caller, place: UUID, terms: Terms) -> Awaitable[Changed]:
            return commands.change_conversation(
                repository, caller, place, lambda conversation: decided(conversation, *self.given), terms
            )

        return self.told(version, decide, ask)
