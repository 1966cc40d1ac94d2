"""Whatever is wished, in whatever order: folding the events again gives the state that was decided on."""

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain import conversation as decisions
from domain.content import Limits
from domain.conversation import Conversation, Events, evolve, fold
from domain.errors import (
    ConversationIsErased,
    MessageAlreadyAdded,
    MessageNotFound,
    SessionHasEnded,
    TooManyLinks,
)
from domain.events import Event, Link, MessageAdded, MessageRevised
from domain.message import Message, fold_message
from domain.recorded import Recorded, Redacted
from tests.domain.scenario import recorded

EXPECTED = (ConversationIsErased, SessionHasEnded, MessageNotFound, MessageAlreadyAdded, TooManyLinks)
ids = st.sampled_from(["m1", "m2", "m3", "m4"])
words = st.sampled_from(["yes", "no", "¿qué?", "nul \0 kept"])
kinds = st.sampled_from(["message", "workflow"])
roles: Any = st.sampled_from(["user", "assistant"])
links = st.builds(Link, st.sampled_from(["opportunity", "order"]), st.sampled_from(["1", "2", "3"]))
metadata = st.dictionaries(st.sampled_from(["a", "b"]), st.none() | st.integers(0, 2) | st.booleans())
messages = st.builds(MessageAdded, message_id=ids, role=roles, content=words, kind=kinds, metadata=metadata)


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.history: list[Recorded] = []
        self.state: Conversation | None = None
        self.take(decisions.start(None, "ada"))

    def take(self, events: Events) -> None:
        for event in recorded(events, first=len(self.history) + 1):
            self.state = evolve(self.state, event)
            self.history.append(event)

    def wish(self, decide: Any, once: bool = True) -> None:
        try:
            self.take(decide(self.state))
            again = decide(self.state)
        except EXPECTED:
            return
        assert not once or not again, "said twice, it would be recorded twice"

    def message(self, message_id: str) -> Message | None:
        about = [each for each in self.history if getattr(each.event, "message_id", None) == message_id]
        return fold_message(about)

    @rule(wish=messages)
    def add(self, wish: MessageAdded) -> None:
        self.wish(lambda c: decisions.add_message(c, wish, self.message(wish.message_id)))

    @rule(wishes=st.lists(messages, max_size=4))
    def add_many(self, wishes: list[MessageAdded]) -> None:
        known = {each: there for each in ("m1", "m2", "m3", "m4") if (there := self.message(each))}
        before = len(self.history)
        try:
            self.take(decisions.add_messages(self.state, wishes, known))  # type: ignore[arg-type]
        except EXPECTED:
            assert len(self.history) == before

    @rule(message_id=ids, content=words, kind=kinds)
    def revise(self, message_id: str, content: str, kind: str) -> None:
        wish = MessageRevised(message_id=message_id, content=content, kind=kind)
        self.wish(lambda c: decisions.revise_message(c, self.message(message_id), wish))

    @rule(message_id=ids)
    def remove(self, message_id: str) -> None:
        self.wish(lambda c: decisions.remove_message(c, self.message(message_id), message_id))

    @rule(message_id=ids, rating=st.sampled_from(["up", "down"]))
    def rate(self, message_id: str, rating: str) -> None:
        self.wish(lambda c: decisions.rate_message(c, self.message(message_id), message_id, rating))

    @rule(message_id=ids)
    def fail(self, message_id: str) -> None:
        self.wish(lambda c: decisions.fail_reply(c, message_id, "no answer"), once=False)

    @rule(title=words.filter(lambda text: "\0" not in text))
    def rename(self, title: str) -> None:
        self.wish(lambda c: decisions.rename(c, title))

    @rule(metadata=metadata)
    def change_metadata(self, metadata: dict[str, Any]) -> None:
        self.wish(lambda c: decisions.change_metadata(c, metadata))

    @rule(link=links, limits=st.just(Limits(links=3)))
    def link(self, link: Link, limits: Limits) -> None:
        self.wish(lambda c: decisions.link(c, link, limits))

    @rule(link=links)
    def unlink(self, link: Link) -> None:
        self.wish(lambda c: decisions.unlink(c, link))

    @rule()
    def end(self) -> None:
        self.wish(decisions.end)

    @rule()
    def reopen(self) -> None:
        self.wish(decisions.reopen)

    @precondition(lambda self: len(self.history) > 6)
    @rule()
    def anonymise(self) -> None:
        self.wish(lambda c: decisions.anonymise(c, "retention", "old"))

    @precondition(lambda self: len(self.history) > 8)
    @rule()
    def erase(self) -> None:
        self.wish(lambda c: decisions.erase(c, "ada", "asked"))

    @invariant()
    def versions_have_no_gap(self) -> None:
        assert self.state is not None
        assert self.state.version == len(self.history)

    @invariant()
    def messages_are_counted(self) -> None:
        there = [self.message(each) for each in ("m1", "m2", "m3", "m4")]
        assert self.state is not None
        assert self.state.message_count == sum(each is not None and not each.removed for each in there)

    @invariant()
    def folding_gives_the_state_from_the_beginning_and_from_any_snapshot(self) -> None:
        assert fold(self.history) == self.state
        middle = len(self.history) // 2
        stored = msgspec.json.encode(fold(self.history[:middle]))
        snapshot = msgspec.json.decode(stored, type=Conversation | None)
        assert fold(self.history[middle:], since=snapshot) == self.state

    @invariant()
    def a_redacted_history_folds_to_the_same_count_and_openness(self) -> None:
        events: list[Event] = [Redacted(topic=str(e.event.__struct_config__.tag)) for e in self.history]
        folded = fold(recorded(events))
        assert folded is not None
        assert self.state is not None
        for field in ("version", "message_count", "ended", "anonymised", "erased"):
            assert getattr(folded, field) == getattr(self.state, field)


TestHistories = Histories.TestCase
TestHistories.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
