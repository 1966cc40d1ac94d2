"""Being forgotten: a user erased, a conversation anonymised, and the receipt that shows it was done."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter, QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from domain.content import LIMITS, check_words
from domain.errors import ConversationNotFound
from service.api.answering import examples
from service.api.answering.documented import USER_ID, ConversationInPath, Limited, parameter
from service.api.answering.examples import gives
from service.api.answering.paging import position_as_cursor
from service.api.answering.wire import answer, moment
from service.api.asking.asking import Asking, Reached, Writing
from service.privacy import forget, receipts
from service.privacy.errors import ReceiptNotFound
from service.privacy.wishes import ACTIONS, Action, Kind, Wish
from service.store.names import in_any_spelling

TAGS: Final = ["privacy"]
LONGEST_REASON: Final = 500
"""Short of what the log takes: the user's id is replaced in it by longer words."""

Reason = Annotated[
    str,
    QueryParameter(
        description="Why; the log and the receipt keep it.",
        schema_extra=parameter(Limited(max_length=LONGEST_REASON)),
    ),
]


class ReceiptBody(Struct, frozen=True):
    """What was forgotten, without saying whose: `counts` tells how many conversations and messages, how many
    events were emptied, and how many rows went from each projection. `finished_at` is null while it is under
    way."""

    id: UUID
    action: Action
    kind: Kind
    requested_by: str
    reason: str
    counts: dict[str, int]
    requested_at: datetime
    finished_at: datetime | None


RECEIPT: Final = {
    "id": "0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f",
    "action": "erase",
    "kind": "user",
    "requested_by": "the user",
    "reason": forget.REASON,
    "counts": {
        "conversations": 12,
        "messages": 131,
        "events": 160,
        "conversations_rows": 14,
        "history_rows": 131,
        "search_rows": 131,
        "usage_rows": 12,
    },
    "requested_at": "2026-01-31T09:30:00.014213Z",
    "finished_at": "2026-01-31T09:30:00.251087Z",
}


@post(
    "/api/users/{user_id:str}/erase",
    status_code=200,
    tags=TAGS,
    summary="Erase everything of a user",
    responses=gives(
        200, ReceiptBody, RECEIPT, "The receipt: all of it is gone.", examples.NO_BODY, examples.CONFLICT
    ),
)
async def erase_user(
    user_id: Annotated[str, PathParameter(schema_extra=parameter(USER_ID))],
    writing: NamedDependency[Writing],
    reason: Reason = forget.REASON,
) -> ASGIResponse:
    """From the log, every projection, drafts, attachments and search. Asked for again, it answers the same
    receipt, unless there is something new to erase."""
    caller = writing.caller(user_id)
    check_reason(reason)
    erased = await forget.erase_all(writing.hansard, caller, command=writing.command(caller), reason=reason)
    return answer(shown(erased.receipt))


@post(
    "/api/conversations/{conversation_id:str}/anonymise",
    status_code=200,
    tags=TAGS,
    summary="Cut the tie between a conversation and its user",
    responses=gives(
        200,
        ReceiptBody,
        RECEIPT
        | {
            "action": "anonymise",
            "kind": "conversation",
            "counts": {"conversations": 1, "messages": 12, "events": 15, "mentions": 2},
        },
        "The receipt: it is a pseudonym's now.",
        examples.NO_BODY,
        examples.UNKNOWN,
        examples.CONFLICT,
    ),
)
async def anonymise(
    conversation_id: ConversationInPath, writing: NamedDependency[Writing], reason: Reason = forget.REASON
) -> ASGIResponse:
    """The words stay, except for the user's own id in them; titles, links, metadata, comments and payloads
    go. To the user it is as if it had never been."""
    reached = await writing.reach(conversation_id)
    check_reason(reason)
    receipt = await forget.anonymise(
        writing.hansard,
        reached.caller,
        reached.id,
        terms=writing.terms(reached.caller),
        reason=reason,
    )
    return answer(shown(receipt))


@get(
    "/api/audit/receipts/{receipt_id:str}",
    tags=TAGS,
    summary="The receipt of an erasure",
    responses=gives(200, ReceiptBody, RECEIPT, "The receipt, as it stands now.", (ReceiptNotFound(),)),
)
async def read_receipt(receipt_id: FromPath[UUID], asking: NamedDependency[Asking]) -> ASGIResponse:
    """For auditors; and for the user whose erasure it shows, since nobody else's id fits its digest."""
    hansard = asking.hansard
    user_id = None if "audit" in asking.principal.scopes else asking.caller().user_id
    async with hansard.pool.connection() as connection:
        found = await receipts.find(connection, hansard.store.shards, receipt_id)
    if found is None or not (user_id is None or is_of(found, user_id)):
        raise ReceiptNotFound
    return answer(shown(found))


class ErasedOne(Struct, frozen=True):
    conversation_id: UUID
    erased: forget.Erased
    position: str | None
    """None where nobody can say any more whose it was."""


async def erase_one(writing: Writing, conversation: str) -> ErasedOne:
    try:
        reached = await writing.reach(conversation)
    except ConversationNotFound:
        conversation_id = in_any_spelling(conversation)
        if conversation_id is not None:
            return await erased_earlier(writing, conversation_id)
        reached = await reach_erased(writing)
    caller = reached.caller
    erased = await forget.erase(writing.hansard, caller, reached.id, terms=writing.terms(caller))
    return ErasedOne(reached.id, erased, position_as_cursor(caller.user_id, erased.position))


async def erased_earlier(writing: Writing, conversation_id: UUID) -> ErasedOne:
    """Whose an erased one was nobody can say: a caller who does not is known by the key that he repeats."""
    earlier = await forget.erased_before(writing.hansard, conversation_id, writing.headers.digest)
    if earlier is None:
        raise ConversationNotFound
    return ErasedOne(conversation_id, earlier, None)


async def reach_erased(writing: Writing) -> Reached:
    """What the caller called it nobody knows any more; only the key that is repeated leads to it."""
    caller = writing.caller()
    command = writing.command(caller)
    found = None if command is None else await forget.erased_by(writing.hansard, caller, command)
    if found is None:
        raise ConversationNotFound
    return Reached(caller, found)


def is_of(receipt: receipts.Receipt, user_id: str) -> bool:
    return any(receipt.is_about(Wish("user", action, user_id).subject) for action in ACTIONS)


def check_reason(reason: str) -> None:
    check_words("reason", reason, min(LONGEST_REASON, LIMITS.reason))


def shown(receipt: receipts.Receipt) -> ReceiptBody:
    return ReceiptBody(
        receipt.id,
        receipt.action,
        receipt.kind,
        receipt.requested_by,
        receipt.reason,
        receipt.counts,
        moment(receipt.requested_at),
        moment(receipt.finished_at) if receipt.finished_at else None,
    )


HANDLERS: Final = (erase_user, anonymise, read_receipt)
