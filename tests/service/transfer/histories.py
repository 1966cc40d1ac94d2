"""Records with everything in them: several users whose conversations alternate, every event, odd words, what
was erased and what was anonymised; drawn by hypothesis, decided by the domain."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from domain import conversation as decisions
from domain.conversation import Conversation, evolve
from domain.errors import Refusal
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
    Payload,
    ReplyFailed,
    Role,
    SessionEnded,
    SessionReopened,
)
from domain.message import Message, fold_message
from domain.recorded import Foreign, Recorded, Redacted
from service.store.append import Append, CommandKey, append_of, stored_event
from service.store.store import Store, shard_of

SPACE = UUID(int=8)
THEN = datetime(2023, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
USERS = ("ann", "Ann", "ann2", "zoë 🌍", "b/ob")

words = st.sampled_from(
    ["yes", "nul \0 kept", "🌍 Grüße", 'a\u2028b \\ "q" </script>', "\x7f\x1b[2K", "  \n"]
)
metadata: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"a": 1}, {"a": 1.0}, {"a": True}, {"ü\0": [None, 2**64 - 1, -0.0, 1e-7]}]
)
payloads = st.none() | st.sampled_from(
    [
        Payload("chatkit.item", {"id": "m1", "widget": {"children": ["\0", 1.5]}}),
        Payload("openai.item.v1", {"type": "function_call", "id": "m1", "arguments": "\0", "later": [1.5]}),
    ]
)
ids = st.sampled_from(["m1", "m2", "m3"])
links = st.builds(Link, st.sampled_from(["opportunity", "order"]), st.sampled_from(["1", "ü"]))
names = st.sampled_from(["One", "Zwei ü"])
reasons = st.none() | words
SAID: Sequence[tuple[Role, str]] = (
    ("user", "message"),
    ("assistant", "message"),
    ("assistant", "widget"),
    ("assistant", "workflow"),
    ("assistant", "tool_call"),
    ("tool", "tool_output"),
    ("developer", "instructions"),
    ("unknown", "item"),
)
added = st.builds(
    lambda said, **more: MessageAdded(role=said[0], kind=said[1], **more),
    st.sampled_from(SAID),
    message_id=ids,
    content=words,
    is_fortune=st.booleans(),
    metadata=metadata,
    in_reply_to=st.none() | ids,
    status=st.sampled_from(["complete", "interrupted"]),
    tokens=st.none() | st.integers(0, 9),
    payload=payloads,
)
revised = st.builds(
    MessageRevised,
    message_id=ids,
    content=words,
    kind=st.sampled_from(["message", "widget"]),
    metadata=metadata,
    payload=payloads,
)
wishes: st.SearchStrategy[Event] = st.one_of(
    added,
    added,
    added,
    revised,
    st.builds(MessageRemoved, message_id=ids),
    st.builds(MessageRated, message_id=ids, rating=names, comment=reasons),
    st.builds(ReplyFailed, in_reply_to=ids, reason=words),
    st.builds(ConversationRenamed, title=names),
    st.builds(MetadataChanged, metadata=metadata),
    st.builds(ConversationLinked, link=links),
    st.builds(ConversationUnlinked, link=links),
    st.builds(SessionEnded, reason=reasons),
    st.builds(SessionReopened, reason=reasons),
    st.builds(Foreign, st.just("crm.noted"), st.just(b"\xff\0 not even JSON")),
)


class Step(Struct, frozen=True):
    """One request: to one of a user's few conversations."""

    user: str
    slot: int
    title: str | None
    wishes: list[Event]
    ago: int
    """Clocks differ: times need not grow."""
    actor: str | None
    request: str | None
    named: bool


steps = st.lists(
    st.builds(
        Step,
        user=st.sampled_from(USERS),
        slot=st.integers(0, 2),
        title=st.none() | names,
        wishes=st.lists(wishes, min_size=1, max_size=4),
        ago=st.integers(0, 3),
        actor=st.sampled_from([None, "ann", "key:crm"]),
        request=st.sampled_from([None, "r-1"]),
        named=st.booleans(),
    ),
    min_size=1,
    max_size=14,
)
gone = st.sets(st.tuples(st.sampled_from(USERS), st.integers(0, 2)), max_size=3)


class Told(Struct, frozen=True):
    """One append, as it is in the log by now."""

    conversation_id: UUID
    user_id: str | None
    events: list[Event]
    at: datetime
    actor: str | None = None
    request_id: str | None = None
    command: CommandKey | None = None


def conversation_of(user: str, slot: int) -> UUID:
    return uuid5(SPACE, f"{user} {slot}")


def record(
    steps: Sequence[Step], erased: set[tuple[str, int]], anonymised: set[tuple[str, int]], shards: int
) -> list[Told]:
    """What the log holds after all of that."""
    talks: dict[UUID, list[Recorded]] = {}
    told: list[Told] = []
    for number, step in enumerate(steps):
        id = conversation_of(step.user, step.slot)
        at = THEN + timedelta(seconds=number - step.ago, microseconds=number)
        history = talks.setdefault(id, [])
        events: list[Event] = []
        if not history:
            take(history, ConversationStarted(step.title, (), {}), id, step.user, at)
            events.append(history[-1].event)
        for wish in step.wishes:
            if granted(history, wish):
                take(history, wish, id, step.user, at)
                events.append(wish)
        if events:
            named = CommandKey(uuid5(SPACE, f"command {number}"), b"digest") if step.named else None
            told.append(Told(id, step.user, events, at, step.actor, step.request, named))
    for user, slot in sorted(anonymised - erased):
        told = anonymise(told, user, conversation_of(user, slot), shards)
    for user, slot in sorted(erased):
        told = erase(told, conversation_of(user, slot))
    return told


def take(history: list[Recorded], event: Event, id: UUID, user: str, at: datetime) -> None:
    history.append(Recorded(0, 0, id, len(history) + 1, event, at, user))


def granted(history: list[Recorded], wish: Event) -> bool:
    state: Conversation | None = None
    for recorded in history:
        state = evolve(state, recorded)
    assert state is not None
    message = fold_message(
        each for each in history if getattr(each.event, "message_id", "") == getattr(wish, "message_id", None)
    )
    try:
        return bool(decided(state, message, wish))
    except Refusal:
        return False


def decided(state: Conversation, message: Message | None, wish: Event) -> decisions.Events:
    match wish:
        case MessageAdded():
            return () if message else decisions.add_message(state, wish)
        case MessageRevised():
            return decisions.revise_message(state, message, wish)
        case MessageRemoved(message_id=id):
            return decisions.remove_message(state, message, id)
        case MessageRated(message_id=id, rating=rating, comment=comment):
            return decisions.rate_message(state, message, id, rating, comment)
        case ReplyFailed(in_reply_to=to, reason=reason):
            return decisions.fail_reply(state, to, reason)
        case ConversationRenamed(title=title):
            return decisions.rename(state, title)
        case MetadataChanged(metadata=metadata):
            return decisions.change_metadata(state, metadata)
        case ConversationLinked(link=link):
            return decisions.link(state, link)
        case ConversationUnlinked(link=link):
            return decisions.unlink(state, link)
        case SessionEnded():
            return decisions.end(state, wish.reason)
        case SessionReopened():
            return decisions.reopen(state, wish.reason)
        case _:
            return (wish,)


def anonymise(told: list[Told], user: str, id: UUID, shards: int) -> list[Told]:
    """The words stay, the tie to the person goes."""
    if not any(each.conversation_id == id for each in told):
        return told
    instead = pseudonym(user, id, shards)
    done = [
        replace(
            each,
            user_id=instead,
            events=[nameless(event) for event in each.events],
            actor=None,
            request_id=None,
            command=None,
        )
        if each.conversation_id == id
        else each
        for each in told
    ]
    last = ConversationAnonymised(requested_by="retention", reason="90 days", counts={"messages": 1})
    return [*done, Told(id, instead, [last], THEN + timedelta(days=90))]


def nameless(event: Event) -> Event:
    match event:
        case MessageAdded() | MessageRevised():
            return replace(event, metadata={}, payload=None if event.content else event.payload)
        case MessageRemoved() | SessionEnded() | SessionReopened() | Redacted():
            return event
        case _:
            topic = event.topic if isinstance(event, Foreign) else str(event.__struct_config__.tag)
            return event if isinstance(event, Foreign) else Redacted(topic)


def pseudonym(user: str, id: UUID, shards: int) -> str:
    """One that falls into the same shard."""
    names = (f"anonymous-{uuid5(id, str(number))}" for number in range(10_000))
    return next(name for name in names if shard_of(name, shards) == shard_of(user, shards))


def erase(told: list[Told], id: UUID) -> list[Told]:
    """Nothing is left of it but that it was there, and what became of it."""
    found = [each for each in told if each.conversation_id == id]
    if not found:
        return told
    done = [
        Told(id, None, [emptied(event) for event in each.events], each.at, None, None, each.command)
        if each.conversation_id == id
        else each
        for each in told
    ]
    last = ConversationErased(requested_by="the user", reason="she asked", counts={"messages": 2})
    return [*done, Told(id, None, [last], THEN + timedelta(days=1))]


def emptied(event: Event) -> Event:
    topic = event.topic if isinstance(event, Foreign) else str(event.__struct_config__.tag)
    return Redacted(topic)


def appends(store: Store, told: Sequence[Told], owner: dict[UUID, str]) -> Iterator[Append]:
    """As they lie in a log: what was erased stays in the shard where its user was."""
    for each in told:
        yield append_of(
            store.shard_of(each.user_id or owner[each.conversation_id]),
            each.conversation_id,
            [stored_event(event) for event in each.events],
            each.at,
            user_id=each.user_id,
            actor=each.actor,
            request_id=each.request_id,
            command=each.command,
        )


OWNERS = {conversation_of(user, slot): user for user in USERS for slot in range(3)}
