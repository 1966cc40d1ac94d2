"""What a process does once a second: it says of its replies that they run, and ends those of the dead."""

import logging
from collections.abc import Sequence
from typing import Final

from service.access.actors import HANSARD
from service.replies.drafts import Draft, Drafts, DraftUpdate
from service.replies.ending import LOST, STOPPED, Ending
from service.replies.running import Running, Works, stored
from service.store.repository import Caller

log = logging.getLogger("hansard.replies")

SAVE_EVERY: Final = 1.0
NOT_SEEN_TO: Final = "replies under way could not be seen to"


async def keep(drafts: Drafts, replies: Sequence[Running]) -> None:
    """Saves what came of them, and hears who wants one to stop."""
    if not replies:
        return
    sizes = [each.reply.size for each in replies]
    still = await drafts.keep([kept(each) for each in replies])
    for each, size in zip(replies, sizes, strict=True):
        wanted = still.get(each.draft.reply_id)
        if wanted is None:
            each.stop(LOST)  # somebody has ended it, or forgotten it, for all that this process was slow
        else:
            each.saved = size
            if wanted:
                each.stop(STOPPED)


def kept(running: Running) -> DraftUpdate:
    draft, reply = running.draft, running.reply
    content = reply.text.encode() if reply.size != running.saved else None
    return DraftUpdate(draft.shard, draft.conversation_id, draft.reply_id, content)


async def end_orphan(works: Works, draft: Draft) -> None:
    """Its process is gone. What that had saved is stored, by one process and once."""
    mine = await works.drafts.adopt(draft)
    if mine is None:
        return
    asked = await works.repository.messages(mine.shard, mine.conversation_id, [mine.in_reply_to])
    if asked:
        await stored(works, Caller(mine.user_id, HANSARD), mine, mine.text, Ending(LOST))
    else:
        await works.drafts.drop(mine)  # its question was never stored, or is erased
