"""What a conversation allows, refuses, and takes for said already."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from eventsourcing.domain import DomainEventProtocol, ImmutableAggregateProtocol

from domain import conversation as decisions
from domain.content import Limits
from domain.conversation import Conversation, evolve, expect, fold, start
from domain.errors import (
    ContentEmpty,
    ContentTooLong,
    ConversationAlreadyStarted,
    ConversationIsErased,
    HistoryIsBroken,
    MessageAlreadyAdded,
    MessageNotFound,
    MetadataTooLarge,
    NameHasNul,
    NameTooLong,
    NotOneOf,
    SessionHasEnded,
    TooManyLinks,
    TooManyMessages,
    VersionConflict,
)
from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Event,
    Link,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from domain.message import new_message
from domain.recorded import Foreign, Redacted, Unreadable
from tests.domain.scenario import (
    ANSWER,
    CONVERSATION,
    NOON,
    QUESTION,
    STARTED,
    conversation,
    given,
    message,
    recorded,
)

ENDED = SessionEnded()
ERASED = ConversationErased(requested_by="ada", reason="asked")
ANONYMISED = ConversationAnonymised(requested_by="retention", reason="old")
OPPORTUNITY = Link("opportunity", "opp_42")
WORKFLOW = MessageAdded(message_id="w1", role="assistant", content="Looking …", kind="workflow")
DONE = msgspec.structs.replace(WORKFLOW, content="Looked")
REVISED = MessageRevised(message_id="m1", content="How do I change my password?")


def test_a_conversation_starts_with_what_it_is_given() -> None:
    wish = start(None, "ada", title="Password", links=[OPPORTUNITY], metadata={"from": "web"})
    assert wish == (ConversationStarted(title="Password", links=(OPPORTUNITY,), metadata={"from": "web"}),)


def test_the_same_link_given_twice_at_the_start_is_one_link() -> None:
    assert start(None, "ada", links=[OPPORTUNITY, OPPORTUNITY]) == (
        ConversationStarted(links=(OPPORTUNITY,)),
    )


def test_a_conversation_starts_once() -> None:
    with pytest.raises(ConversationAlreadyStarted):
        start(conversation(STARTED), "ada")


def test_an_erased_conversation_is_never_started_again() -> None:
    with pytest.raises(ConversationIsErased):
        start(conversation(STARTED, ERASED), "ada")


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"user_id": ""}, ContentEmpty),
        ({"user_id": "a\0b"}, NameHasNul),
        ({"title": "t" * 256}, NameTooLong),
        ({"title": ""}, ContentEmpty),
        ({"links": [Link("", "x")]}, ContentEmpty),
        ({"links": [Link("kind", str(n)) for n in range(33)]}, TooManyLinks),
        ({"metadata": {"big": "x" * 20_000}}, MetadataTooLarge),
    ],
)
def test_a_start_that_cannot_be_kept_is_refused(wish: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        start(None, **{"user_id": "ada", **wish})


def test_a_message_is_added() -> None:
    given([STARTED]).when(lambda c: decisions.add_message(c, QUESTION)).then([QUESTION])


def test_an_ended_session_takes_no_message() -> None:
    given([STARTED, ENDED]).when(lambda c: decisions.add_message(c, QUESTION)).then_refused(SessionHasEnded)


def test_an_ended_session_takes_no_batch() -> None:
    given([STARTED, ENDED]).when(lambda c: decisions.add_messages(c, [QUESTION])).then_refused(
        SessionHasEnded
    )


def test_a_reply_that_was_under_way_when_the_session_ended_is_kept() -> None:
    given([STARTED, QUESTION, ENDED]).when(lambda c: decisions.add_message(c, ANSWER, late=True)).then(
        [ANSWER]
    )


def test_a_reopened_session_takes_messages_again() -> None:
    given([STARTED, ENDED, SessionReopened()]).when(lambda c: decisions.add_message(c, QUESTION)).then(
        [QUESTION]
    )


def test_an_ended_session_is_renamed_linked_rated_reopened_and_erased() -> None:
    ended = given([STARTED, QUESTION, ENDED])
    rated = MessageRated(message_id="m1", rating="up")
    ended.when(lambda c: decisions.rename(c, "Later")).then([ConversationRenamed(title="Later")])
    ended.when(lambda c: decisions.link(c, OPPORTUNITY)).then([ConversationLinked(link=OPPORTUNITY)])
    ended.when(lambda c: decisions.rate_message(c, message(QUESTION), "m1", "up")).then([rated])
    ended.when(lambda c: decisions.reopen(c)).then([SessionReopened()])
    ended.when(lambda c: decisions.erase(c, "ada", "asked")).then(
        [ConversationErased(requested_by="ada", reason="asked", counts={"messages": 1})]
    )


def test_a_reply_that_fails_after_the_session_ended_is_recorded_as_failed() -> None:
    failed = ReplyFailed(in_reply_to="m1", reason="the model did not answer")
    given([STARTED, QUESTION, ENDED]).when(lambda c: decisions.fail_reply(c, "m1", failed.reason)).then(
        [failed]
    )


@pytest.mark.parametrize(
    "decide",
    [
        lambda c: decisions.add_message(c, ANSWER),
        lambda c: decisions.add_message(c, ANSWER, late=True),
        lambda c: decisions.add_message(c, QUESTION, existing=message(QUESTION)),
        lambda c: decisions.add_messages(c, [ANSWER]),
        lambda c: decisions.revise_message(c, message(QUESTION), REVISED),
        lambda c: decisions.remove_message(c, message(QUESTION), "m1"),
        lambda c: decisions.rate_message(c, message(QUESTION), "m1", "up"),
        lambda c: decisions.fail_reply(c, "m1", "why"),
        lambda c: decisions.rename(c, "x"),
        lambda c: decisions.change_metadata(c, {}),
        lambda c: decisions.link(c, OPPORTUNITY),
        lambda c: decisions.unlink(c, OPPORTUNITY),
        lambda c: decisions.end(c),
        lambda c: decisions.reopen(c),
        lambda c: decisions.anonymise(c, "ada", "asked"),
    ],
)
def test_an_erased_conversation_takes_nothing(decide: Any) -> None:
    given([STARTED, QUESTION, ERASED]).when(decide).then_refused(ConversationIsErased)


@pytest.mark.parametrize(
    ("history", "decide"),
    [
        ([ENDED], lambda c: decisions.end(c)),
        ([], lambda c: decisions.reopen(c)),
        ([ConversationRenamed(title="x")], lambda c: decisions.rename(c, "x")),
        ([MetadataChanged(metadata={"a": [1]})], lambda c: decisions.change_metadata(c, {"a": [1]})),
        ([ConversationLinked(link=OPPORTUNITY)], lambda c: decisions.link(c, OPPORTUNITY)),
        ([], lambda c: decisions.unlink(c, OPPORTUNITY)),
        ([ANONYMISED], lambda c: decisions.anonymise(c, "ada", "again")),
        ([ERASED], lambda c: decisions.erase(c, "ada", "again")),
        ([QUESTION], lambda c: decisions.add_message(c, QUESTION, existing=message(QUESTION))),
        ([QUESTION, ENDED], lambda c: decisions.add_message(c, QUESTION, existing=message(QUESTION))),
        ([QUESTION, REVISED], lambda c: decisions.revise_message(c, message(QUESTION, REVISED), REVISED)),
        ([], lambda c: decisions.remove_message(c, None, "m1")),
        ([], lambda c: decisions.add_messages(c, [])),
    ],
)
def test_a_wish_that_changes_nothing_gives_no_events(history: list[Event], decide: Any) -> None:
    given([STARTED, *history]).when(decide).then_nothing()


def test_one_and_true_are_different_metadata() -> None:
    given([STARTED, MetadataChanged(metadata={"a": 1})]).when(
        lambda c: decisions.change_metadata(c, {"a": True})
    ).then([MetadataChanged(metadata={"a": True})])


def test_rating_a_message_again_says_it_only_once() -> None:
    rated = MessageRated(message_id="m1", rating="up", comment="thanks")
    state = given([STARTED, QUESTION, rated])
    again = message(QUESTION, rated)
    state.when(lambda c: decisions.rate_message(c, again, "m1", "up", "thanks")).then_nothing()
    state.when(lambda c: decisions.rate_message(c, again, "m1", "down")).then(
        [MessageRated(message_id="m1", rating="down")]
    )


def test_another_message_with_the_same_id_is_refused() -> None:
    other = msgspec.structs.replace(QUESTION, content="Something else")
    given([STARTED, QUESTION]).when(
        lambda c: decisions.add_message(c, other, existing=message(QUESTION))
    ).then_refused(MessageAlreadyAdded, message_id="m1")


@pytest.mark.parametrize("differs", [{"is_fortune": True}, {"in_reply_to": "m0"}, {"role": "assistant"}])
def test_the_same_words_said_otherwise_are_another_message(differs: dict[str, Any]) -> None:
    other = msgspec.structs.replace(QUESTION, **differs)
    given([STARTED, QUESTION]).when(
        lambda c: decisions.add_message(c, other, existing=message(QUESTION))
    ).then_refused(MessageAlreadyAdded)


def test_the_same_message_counted_again_is_the_same_message() -> None:
    counted = msgspec.structs.replace(ANSWER, tokens=7)
    given([STARTED, ANSWER]).when(
        lambda c: decisions.add_message(c, counted, existing=message(ANSWER))
    ).then_nothing()


def test_a_removed_message_does_not_free_its_id() -> None:
    removed = MessageRemoved(message_id="m1")
    given([STARTED, QUESTION, removed]).when(
        lambda c: decisions.add_message(c, QUESTION, existing=message(QUESTION, removed))
    ).then_refused(MessageAlreadyAdded)


def test_a_workflow_that_is_added_again_when_it_is_done_is_revised() -> None:
    given([STARTED, WORKFLOW]).when(
        lambda c: decisions.add_message(c, DONE, existing=message(WORKFLOW))
    ).then([MessageRevised(message_id="w1", content="Looked", kind="workflow")])


def test_a_workflow_that_is_added_again_as_it_was_says_nothing_new() -> None:
    given([STARTED, WORKFLOW]).when(
        lambda c: decisions.add_message(c, WORKFLOW, existing=message(WORKFLOW))
    ).then_nothing()


def test_a_workflow_does_not_become_a_message_by_being_added_again() -> None:
    plain = msgspec.structs.replace(DONE, kind="message")
    given([STARTED, WORKFLOW]).when(
        lambda c: decisions.add_message(c, plain, existing=message(WORKFLOW))
    ).then_refused(MessageAlreadyAdded)


def test_a_batch_is_added_in_order() -> None:
    given([STARTED]).when(lambda c: decisions.add_messages(c, [QUESTION, ANSWER])).then([QUESTION, ANSWER])


def test_one_bad_message_refuses_the_whole_batch() -> None:
    empty = MessageAdded(message_id="m3", role="user", content="")
    given([STARTED]).when(lambda c: decisions.add_messages(c, [QUESTION, empty])).then_refused(ContentEmpty)


def test_a_batch_leaves_out_what_is_there_already_and_what_it_says_twice() -> None:
    known = {"m1": new_message(QUESTION, 2)}
    given([STARTED, QUESTION]).when(
        lambda c: decisions.add_messages(c, [QUESTION, ANSWER, ANSWER], existing=known)
    ).then([ANSWER])


def test_two_messages_with_one_id_refuse_the_batch() -> None:
    other = msgspec.structs.replace(QUESTION, content="Something else")
    given([STARTED]).when(lambda c: decisions.add_messages(c, [QUESTION, other])).then_refused(
        MessageAlreadyAdded
    )


def test_a_batch_of_a_thousand_fits_and_one_more_does_not() -> None:
    many = [MessageAdded(message_id=f"m{n}", role="user", content="x") for n in range(1_001)]
    given([STARTED]).when(lambda c: decisions.add_messages(c, many[:1_000])).then(many[:1_000])
    given([STARTED]).when(lambda c: decisions.add_messages(c, many)).then_refused(
        TooManyMessages, count=1_001, limit=1_000
    )


def test_a_message_is_revised_whatever_became_of_the_session() -> None:
    given([STARTED, QUESTION, ENDED]).when(
        lambda c: decisions.revise_message(c, message(QUESTION), REVISED)
    ).then([REVISED])


def test_a_revision_may_change_the_kind() -> None:
    widget = MessageRevised(message_id="m2", content="", kind="widget")
    given([STARTED, ANSWER]).when(lambda c: decisions.revise_message(c, message(ANSWER), widget)).then(
        [widget]
    )


def test_a_revision_keeps_the_limits_of_its_role() -> None:
    empty = MessageRevised(message_id="m1", content="")
    given([STARTED, QUESTION]).when(
        lambda c: decisions.revise_message(c, message(QUESTION), empty)
    ).then_refused(ContentEmpty)


@pytest.mark.parametrize("there", [None, message(QUESTION, MessageRemoved(message_id="m1"))])
def test_what_is_not_there_any_more_is_neither_revised_nor_rated(there: Any) -> None:
    state = given([STARTED])
    state.when(lambda c: decisions.revise_message(c, there, REVISED)).then_refused(
        MessageNotFound, message_id="m1"
    )
    state.when(lambda c: decisions.rate_message(c, there, "m1", "up")).then_refused(
        MessageNotFound, message_id="m1"
    )


def test_removing_a_message_twice_is_no_error() -> None:
    removed = MessageRemoved(message_id="m1")
    given([STARTED, QUESTION]).when(lambda c: decisions.remove_message(c, message(QUESTION), "m1")).then(
        [removed]
    )
    given([STARTED, QUESTION, removed]).when(
        lambda c: decisions.remove_message(c, message(QUESTION, removed), "m1")
    ).then_nothing()


def test_a_role_that_nobody_has_is_refused() -> None:
    narrator = MessageAdded(message_id="m1", role="narrator", content="x")  # type: ignore[arg-type]
    given([STARTED]).when(lambda c: decisions.add_message(c, narrator)).then_refused(NotOneOf, field="role")


def test_only_the_words_of_user_and_assistant_are_plain_messages() -> None:
    plain = MessageAdded(message_id="m1", role="system", content="x")
    given([STARTED]).when(lambda c: decisions.add_message(c, plain)).then_refused(NotOneOf, field="role")
    instructions = msgspec.structs.replace(plain, kind="instructions")
    given([STARTED]).when(lambda c: decisions.add_message(c, instructions)).then([instructions])


def test_limits_may_be_set() -> None:
    given([STARTED]).when(
        lambda c: decisions.add_message(c, QUESTION, limits=Limits(message_bytes=10))
    ).then_refused(ContentTooLong, limit=10)


def test_a_conversation_takes_as_many_links_as_it_may() -> None:
    links = [ConversationLinked(link=Link("opportunity", str(n))) for n in range(32)]
    given([STARTED, *links]).when(lambda c: decisions.link(c, OPPORTUNITY)).then_refused(
        TooManyLinks, limit=32
    )


def test_what_was_linked_is_unlinked() -> None:
    given([STARTED, ConversationLinked(link=OPPORTUNITY)]).when(
        lambda c: decisions.unlink(c, OPPORTUNITY)
    ).then([ConversationUnlinked(link=OPPORTUNITY)])


def test_who_expects_another_version_is_told_the_current_one() -> None:
    with pytest.raises(VersionConflict) as conflict:
        expect(conversation(STARTED, QUESTION), 1)
    assert conflict.value.facts == {"expected_version": 1, "current_version": 2}


def test_who_expects_the_right_version_or_none_is_not_disturbed() -> None:
    expect(conversation(STARTED, QUESTION), 2)
    expect(conversation(STARTED, QUESTION), None)
    expect(None, 0)
    expect(None, None)


def test_expecting_a_version_of_what_is_not_there_is_a_conflict_with_nothing() -> None:
    with pytest.raises(VersionConflict) as conflict:
        expect(None, 3)
    assert conflict.value.facts["current_version"] == 0


def test_events_make_the_state() -> None:
    removed = MessageRemoved(message_id="m2")
    assert conversation(
        ConversationStarted(title="A", links=(OPPORTUNITY,), metadata={"a": 1}),
        QUESTION,
        ANSWER,
        removed,
        ConversationRenamed(title="B"),
        MetadataChanged(metadata={"b": 2}),
        ConversationLinked(link=Link("order", "7")),
        ConversationUnlinked(link=OPPORTUNITY),
        ENDED,
    ) == Conversation(
        id=CONVERSATION,
        user_id="ada",
        version=9,
        title="B",
        opening="How do I reset my password?",
        links=(Link("order", "7"),),
        metadata={"b": 2},
        ended=True,
        message_count=1,
        started_at=NOON + timedelta(seconds=1),
        last_activity_at=NOON + timedelta(seconds=3),
    )


def test_what_is_revised_is_said_now_and_the_opening_stays() -> None:
    revised = MessageRevised(message_id="m1", content="Never mind.")
    state = conversation(STARTED, QUESTION, ENDED, revised)
    assert state.last_activity_at == NOON + timedelta(seconds=4)
    assert state.opening == "How do I reset my password?"


def test_an_anonymised_conversation_remembers_no_opening() -> None:
    later = MessageAdded(message_id="m3", role="user", content="And then?")
    state = conversation(STARTED, QUESTION, ANONYMISED, later)
    assert state.opening is None


def test_a_redacted_history_leads_to_the_same_state_as_before() -> None:
    history: list[Event] = [
        ConversationStarted(title="A"),
        QUESTION,
        ANSWER,
        MessageRemoved(message_id="m2"),
        ConversationRenamed(title="B"),
        ENDED,
        SessionReopened(),
        ENDED,
        ANONYMISED,
    ]
    redacted = [Redacted(topic=str(event.__struct_config__.tag)) for event in history]
    assert conversation(*redacted, ERASED) == conversation(*history, ERASED)


def test_a_redacted_event_of_a_later_version_counts_too() -> None:
    assert conversation(STARTED, Redacted(topic="message_added.v2")).message_count == 1


def test_what_another_application_recorded_only_counts_as_a_version() -> None:
    before = conversation(STARTED, QUESTION)
    after = conversation(STARTED, QUESTION, Foreign(topic="crm.noted", state=b"{}"))
    assert after == msgspec.structs.replace(before, version=3)


def test_an_anonymised_conversation_belongs_to_its_pseudonym() -> None:
    before = conversation(ConversationStarted(title="Ada's", links=(OPPORTUNITY,), metadata={"name": "Ada"}))
    [event] = recorded([ANONYMISED], user_id="anon-1", first=2)
    after = evolve(before, event)
    assert (after.user_id, after.title, after.links, after.metadata) == ("anon-1", None, (), {})
    assert after.anonymised


@pytest.mark.parametrize(
    "history",
    [
        [QUESTION],
        [Foreign(topic="crm.noted", state=b"{}")],
        [Redacted(topic="message_added")],
        [STARTED, STARTED],
        [STARTED, Redacted(topic="conversation_started")],
        [STARTED, ERASED, QUESTION],
        [STARTED, ERASED, Redacted(topic="message_added")],
        [STARTED, Unreadable(topic="message_added", error="truncated")],
    ],
)
def test_a_history_that_does_not_fit_is_broken(history: list[Event]) -> None:
    with pytest.raises(HistoryIsBroken) as broken:
        fold(recorded(history))
    assert broken.value.facts["conversation_id"] == CONVERSATION


def test_a_version_that_is_missing_or_doubled_breaks_the_history() -> None:
    first, second, third = recorded([STARTED, QUESTION, ANSWER])
    for history in ([first, third], [first, second, second], [second]):
        with pytest.raises(HistoryIsBroken):
            fold(history)


def test_an_event_of_another_conversation_breaks_the_history() -> None:
    first, second = recorded([STARTED, QUESTION])
    stray = msgspec.structs.replace(second, conversation_id=UUID(int=1))
    with pytest.raises(HistoryIsBroken):
        fold([first, stray])


def test_a_snapshot_is_the_conversation_itself_and_does_not_grow_with_its_messages() -> None:
    short = msgspec.json.encode(conversation(STARTED, QUESTION))
    long = msgspec.json.encode(conversation(STARTED, *[QUESTION] * 9))
    assert len(short) == len(long) - 1  # the version has one digit more
    assert msgspec.json.decode(long, type=Conversation) == conversation(STARTED, *[QUESTION] * 9)


def test_the_library_takes_our_aggregate_and_our_events_for_its_own() -> None:
    events: list[DomainEventProtocol[UUID]] = [*recorded([STARTED, QUESTION])]
    aggregate: ImmutableAggregateProtocol[UUID] = conversation(STARTED, QUESTION)
    assert (aggregate.id, aggregate.version) == (events[-1].originator_id, events[-1].originator_version)
