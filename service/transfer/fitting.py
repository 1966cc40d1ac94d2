"""Whether what comes from outside could have been decided here: the domain's own rules, event by event."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from domain import conversation as decisions
from domain.content import LIMITS, Limits, check_body, check_name, check_words
from domain.conversation import Conversation, evolve
from domain.errors import HistoryIsBroken, MessageAlreadyAdded, MessageNotFound, Refusal
from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Event,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    ReplyFailed,
    SessionEnded,
    SessionReopened,
)
from domain.recorded import Foreign, Recorded, Redacted
from service.store.codec import CODEC
from service.verify.chains import WORDS

AHEAD: Final = timedelta(days=1)
"""So far may the clock of whoever recorded it have been ahead of ours."""


class DoesNotFit(Refusal):
    """{what}"""


class ChangesNothing(Refusal):
    """It would change nothing, so it cannot have happened."""


class FromTheFuture(Refusal):
    """It happened at {time}, which is yet to come."""


class Fitting:
    """One conversation as it is read. Remembers of each message only who said it, not what."""

    def __init__(self, conversation_id: UUID, user_id: str | None, limits: Limits = LIMITS) -> None:
        self._id = conversation_id
        self._user_id = user_id
        self._limits = limits
        self._state: Conversation | None = None
        self._role_of: dict[str, str | None] = {}
        """None where a message was removed."""
        self._speaks = False
        self._emptied: set[str] = set()
        """The topics of what was emptied and nothing has accounted for yet."""
        self.version = 0

    def take(self, version: int, event: Event, recorded_at: datetime, user_id: str | None) -> None:
        """Raises a refusal where it does not fit, and is of no use then."""
        if version != self.version + 1:
            raise DoesNotFit(what=f"version {version} follows version {self.version}")
        if user_id != self._user_id:
            raise DoesNotFit(what=f"version {version} is another user's than the versions before it")
        if recorded_at > datetime.now(UTC) + AHEAD:
            raise FromTheFuture(time=recorded_at.isoformat())
        self._check(event)
        recorded = Recorded(0, 0, self._id, version, event, recorded_at, user_id)
        self._state = evolve(self._state, recorded)
        self.version = version

    def end(self) -> None:
        """What only the whole conversation can tell."""
        if self._emptied:
            raise DoesNotFit(what=f"a {min(self._emptied)} event is empty, though nothing erased it")
        if self._state is not None and (self._user_id is None) != self._state.erased:
            raise DoesNotFit(
                what="only what was erased is nobody's, and what was erased is nobody's; this is not so"
            )

    def _check(self, event: Event) -> None:
        limits = self._limits
        state = self._state
        if isinstance(event, Redacted):
            self._check_redacted(event)
            return
        if isinstance(event, Foreign):
            self._check_foreign(event)
            return
        if state is None:
            if not isinstance(event, ConversationStarted):
                raise DoesNotFit(what="a conversation begins with conversation_started")
            if self._user_id is None:
                raise DoesNotFit(what="it has words, but no user whose they are")
            decisions.start(None, self._user_id, event.title, event.links, event.metadata, limits)
            self._speaks = True
            return
        match event:
            case MessageAdded():
                self._check_added(state, event)
            case MessageRevised(message_id=message_id):
                check_body(event, self._role(message_id), limits)
            case MessageRemoved(message_id=message_id):
                self._role(message_id)
                self._role_of[message_id] = None
            case MessageRated(message_id=message_id, rating=rating, comment=comment):
                self._role(message_id)
                check_name("rating", rating, limits.rating)
                if comment is not None:
                    check_words("comment", comment, limits.comment)
            case _:
                must_change(decided(state, event, limits))
        if isinstance(event, ConversationErased):
            if self._speaks:
                raise DoesNotFit(what="it was erased, and still says something")
            self._emptied.clear()
        elif isinstance(event, ConversationAnonymised):
            self._emptied &= WORDS
        else:
            self._speaks = True

    def _check_added(self, state: Conversation, added: MessageAdded) -> None:
        if added.message_id in self._role_of:
            raise MessageAlreadyAdded(message_id=added.message_id)
        decisions.add_message(state, added, late=added.role == "assistant", limits=self._limits)
        self._role_of[added.message_id] = added.role

    def _check_redacted(self, event: Redacted) -> None:
        check_name("redacted", event.topic, self._limits.kind)
        self._emptied.add(event.topic)

    def _check_foreign(self, event: Foreign) -> None:
        check_name("topic", event.topic, self._limits.kind)
        if is_ours(event.topic):
            raise DoesNotFit(what=f"this {event.topic} event cannot be read")
        if len(event.state) > self._limits.message_bytes:
            raise DoesNotFit(what=f"a {event.topic} event is {len(event.state)} bytes long")
        self._speaks = True

    def _role(self, message_id: str) -> str:
        role = self._role_of.get(message_id)
        if role is None:
            raise MessageNotFound(message_id=message_id)
        return role


def decided(state: Conversation, event: Event, limits: Limits) -> decisions.Events:
    """What would have been decided if somebody had wished for this."""
    match event:
        case ReplyFailed(in_reply_to=in_reply_to, reason=reason):
            return decisions.fail_reply(state, in_reply_to, reason, limits)
        case ConversationRenamed(title=title):
            return decisions.rename(state, title, limits)
        case MetadataChanged(metadata=metadata):
            return decisions.change_metadata(state, metadata, limits)
        case ConversationLinked(link=link):
            return decisions.link(state, link, limits)
        case ConversationUnlinked(link=link):
            return decisions.unlink(state, link)
        case SessionEnded(reason=reason):
            return decisions.end(state, reason, limits)
        case SessionReopened(reason=reason):
            return decisions.reopen(state, reason, limits)
        case ConversationAnonymised(requested_by=by, reason=reason, counts=counts, rewritten=rewritten):
            return decisions.anonymise(state, by, reason, counts, limits, rewritten)
        case ConversationErased(requested_by=by, reason=reason, counts=counts):
            return decisions.erase(state, by, reason, counts, limits)
        case _:
            what = f"{event.__struct_config__.tag} cannot come after the first event"
            raise HistoryIsBroken(what=what, conversation_id=state.id, version=state.version + 1)


def is_ours(topic: str) -> bool:
    return topic in CODEC.types or topic in CODEC.upcasters


def must_change(events: decisions.Events) -> None:
    if not events:
        raise ChangesNothing
