"""One conversation is erased, by whichever surface."""

from uuid import UUID

from domain.errors import ConversationNotFound
from service.api.answering.paging import position_as_cursor
from service.api.asking.asking import Writing
from service.privacy import forget


async def erase_one(writing: Writing, conversation_id: UUID) -> tuple[forget.Erased, str | None]:
    """With its position. Whose an erased one was nobody can say: a caller who does not is known by the
    key that he repeats, and there is no position to tell him."""
    try:
        caller = await writing.caller_for(conversation_id)
    except ConversationNotFound:
        earlier = await forget.erased_before(writing.hansard, conversation_id, writing.terms.digest)
        if earlier is None:
            raise
        return earlier, None
    erased = await forget.erase(
        writing.hansard,
        caller,
        conversation_id,
        expected=writing.expected(),
        command=writing.command(caller),
    )
    return erased, position_as_cursor(caller.user_id, erased.position)
