"""What should be in the log: the events that were accepted, and which commands were carried out."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.conversation import Conversation, expect, fold
from domain.errors import CommandReused, NameIsTaken, Refusal
from domain.events import ConversationErased, ConversationStarted, Event
from domain.message import Message, fold_message
from domain.recorded import Recorded, Redacted
from service.store.append import Appended, Name
from service.store.repository import Changed
from tests.machine.wishes import Asked

SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands for all times: which it was is the store's to say."""

Outcome = Changed | Refusal
Expected = Sequence[Event] | Appended | Refusal
"""What is stored, nothing if it is empty; or what the same command has stored before; or why not."""


class Carried(Struct, frozen=True):
    digest: bytes
    appended: Appended


class Model:
    def __init__(self) -> None:
        self.log: dict[int, list[Recorded]] = defaultdict(list)
        self.commands: dict[tuple[int, UUID], Carried] = {}
        self.names: dict[Name, UUID] = {}

    def history(self, shard: int, conversation_id: UUID) -> list[Recorded]:
        return [each for each in self.log[shard] if each.conversation_id == conversation_id]

    def state(self, shard: int, conversation_id: UUID, version: int | None = None) -> Conversation | None:
        """As it is, or as it was at a version."""
        history = self.history(shard, conversation_id)
        return fold(history[:version] if version is not None else history)

    def version(self, shard: int, conversation_id: UUID) -> int:
        return len(self.history(shard, conversation_id))

    def erased(self) -> list[tuple[int, UUID]]:
        return [
            (shard, each.conversation_id)
            for shard, log in self.log.items()
            for each in log
            if isinstance(each.event, ConversationErased)
        ]

    def forget(self, shard: int, conversation_id: UUID) -> None:
        """Of what was erased, the words; and whose they were, and what it was called."""
        log = self.log[shard]
        self.names = {
            name: of for name, of in self.names.items() if (name[0], of) != (shard, conversation_id)
        }
        for at, each in enumerate(log):
            if each.conversation_id == conversation_id:
                event = each.event
                if not isinstance(event, ConversationErased | Redacted):
                    event = Redacted(topic=str(event.__struct_config__.tag))
                log[at] = replace(each, event=event, user_id=None, actor=None, request_id=None)

    def message(self, shard: int, conversation_id: UUID, message_id: str) -> Message | None:
        history = self.history(shard, conversation_id)
        return fold_message(e for e in history if getattr(e.event, "message_id", None) == message_id)

    def expected(self, asked: Asked) -> Expected:
        """What has to become of a wish now."""
        if asked.command is not None and (known := self.commands.get((asked.shard, asked.command.id))):
            if known.digest != asked.command.digest:
                return CommandReused()
            return known.appended
        state = self.state(asked.shard, asked.conversation_id)
        about = {i: m for i in asked.about if (m := self.message(asked.shard, asked.conversation_id, i))}
        mine = state if state is not None and state.user_id == asked.caller.user_id else None
        try:
            expect(mine, asked.expected)
            events = asked.decide(state, about)
        except Refusal as refusal:
            return refusal
        taken = [self.names[name] for name in names_in(events, asked) if name in self.names]
        return NameIsTaken(conversation_id=taken[0]) if taken else events

    def accept(self, asked: Asked, events: Sequence[Event]) -> Appended:
        shard, conversation_id, caller = asked.shard, asked.conversation_id, asked.caller
        version = self.version(shard, conversation_id)
        log = self.log[shard]
        for number, event in enumerate(events, version + 1):
            place = (shard, len(log) + 1, conversation_id, number)
            who = (caller.user_id, caller.actor, caller.request_id)
            log.append(Recorded(*place, event, SOME_TIME, *who))
        self.names |= dict.fromkeys(names_in(events, asked), conversation_id)
        appended = Appended(conversation_id, version + len(events), len(log), len(events))
        if asked.command is not None:
            repeated = replace(appended, repeated=True)
            self.commands[shard, asked.command.id] = Carried(asked.command.digest, repeated)
        return appended

    def take(self, told: Sequence[tuple[Asked, Outcome]]) -> None:
        """What became of wishes that were asked at once.

        There must be an order in which each of them, alone, would have come to what it came to. Those that
        stored something say themselves where they are; the others have to fit between two of them.
        """
        stored = sorted((t for t in told if is_stored(t[1])), key=lambda t: place_of(t[1]))
        others = [t for t in told if not is_stored(t[1])]
        others = self.not_so_now(others)
        for asked, outcome in stored:
            assert isinstance(outcome, Changed)
            expected = self.expected(asked)
            assert not isinstance(expected, Refusal | Appended), (
                f"{asked.wish} should be refused: {expected!r}"
            )
            assert [each.event for each in outcome.events] == list(expected), (
                f"{asked.wish} stored something else"
            )
            assert outcome.appended == self.accept(asked, expected), f"{asked.wish} is told another place"
            others = self.not_so_now(others)
        wrong = [f"{asked.wish} → {outcome!r}, not {self.expected(asked)!r}" for asked, outcome in others]
        assert not wrong, "\n".join(wrong)
        for asked, outcome in told:
            if isinstance(outcome, Changed) and (after := outcome.conversation) is not None:
                then = self.state(asked.shard, after.id, after.version)
                assert timeless(after) == timeless(then), f"{asked.wish}: not so"

    def not_so_now(self, told: Sequence[tuple[Asked, Outcome]]) -> list[tuple[Asked, Outcome]]:
        return [(asked, outcome) for asked, outcome in told if not is_so(outcome, self.expected(asked))]


def names_in(events: Sequence[Event], asked: Asked) -> list[Name]:
    started = [each for each in events if isinstance(each, ConversationStarted)]
    return [(asked.shard, asked.caller.user_id, each.name) for each in started if each.name is not None]


def timeless(state: Conversation | None) -> Conversation | None:
    return None if state is None else replace(state, started_at=None, last_activity_at=None)


def is_stored(outcome: Outcome) -> bool:
    return isinstance(outcome, Changed) and outcome.appended is not None and not outcome.appended.repeated


def place_of(outcome: Outcome) -> int:
    assert isinstance(outcome, Changed)
    assert outcome.appended
    return outcome.appended.position


def is_so(outcome: Outcome, expected: Expected) -> bool:
    """Of what stored nothing."""
    match expected:
        case Refusal():
            return type(outcome) is type(expected) and outcome.facts == expected.facts
        case Appended():
            return isinstance(outcome, Changed) and outcome.appended == expected
        case _:
            return not expected and isinstance(outcome, Changed) and outcome.appended is None
